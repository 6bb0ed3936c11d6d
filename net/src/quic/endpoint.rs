//! The QUIC endpoint: one UDP socket that serves and dials, both with this node's certificate. Those who have none are
//! let as far as the handshake, and then to nothing but the exchange that is made for them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{
    AckFrequencyConfig, ClientConfig, Endpoint, IdleTimeout, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{RootCertStore, crypto::CryptoProvider, server::WebPkiClientVerifier, version::TLS13};

use crate::{error::NetError, identity::Identity};

/// Only nodes of a cluster speak this.
pub(super) const ALPN: &[u8] = b"shopnode-cluster/1";
/// Who is no node yet speaks this.
pub(crate) const JOIN_ALPN: &[u8] = b"shopnode-join/1";

/// Codes of closed connections: for the log of the other side.
pub(crate) const CLOSE_DONE: u32 = 0;
pub(crate) const CLOSE_UNWELCOME: u32 = 1;
pub(crate) const CLOSE_REMOVED: u32 = 2;
pub(crate) const CLOSE_BUSY: u32 = 3;
pub(crate) const CLOSE_RENEWED: u32 = 4;

/// A peer that says nothing for this long is gone. Leaders fall sooner, by raft's own timers.
const IDLE_LIMIT_MS: u32 = 10_000;

/// quinn sends nothing on an idle connection by itself.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Streams that one peer may have open at once.
const MAX_STREAMS: u32 = 1024;

/// Packets that a peer may take before it acknowledges them, if it sends nothing else within [`UNACKNOWLEDGED_FOR`]. Fewer than a congestion
/// window has to begin with (12,000 bytes), which would else be waited out.
const PACKETS_UNACKNOWLEDGED: u32 = 6;

/// A window that has collapsed has no more than two packets.
const UNACKNOWLEDGED_FOR: Duration = Duration::from_millis(5);

/// A LAN, to begin with; QUIC measures the rest.
const INITIAL_RTT: Duration = Duration::from_millis(5);

/// The one provider of cryptography.
pub(crate) fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What both sides of a connection are made with. A new identity makes new ones; connections keep what they began with.
pub(super) struct Configs {
    pub server: ServerConfig,
    pub client: ClientConfig,
}

/// Both sides of every connection between nodes show a certificate of an authority that is trusted.
pub(super) fn configs(identity: &Identity) -> Result<Configs, NetError> {
    let failed = |error: &dyn std::fmt::Display| NetError::Endpoint(error.to_string());
    let provider = crypto_provider();
    let mut roots = RootCertStore::empty();
    for authority in &identity.authorities {
        roots.add(authority.clone()).map_err(|error| failed(&error))?;
    }
    let roots = Arc::new(roots);

    // Who shows no certificate may ask to join; who shows a bad one is turned away by the handshake.
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(&error))?;
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain(), identity.private_key())
        .map_err(|error| failed(&error))?;
    server.alpn_protocols = vec![ALPN.to_vec(), JOIN_ALPN.to_vec()];

    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.private_key())
        .map_err(|error| failed(&error))?;
    client.alpn_protocols = vec![ALPN.to_vec()];

    let transport = Arc::new(transport_config());
    let mut server = ServerConfig::with_crypto(Arc::new(
        QuicServerConfig::try_from(server).map_err(|error| failed(&error))?,
    ));
    server.transport_config(transport.clone());
    let mut client =
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).map_err(|error| failed(&error))?));
    client.transport_config(transport);
    Ok(Configs { server, client })
}

/// Binds `address`.
pub(super) fn bind(server: ServerConfig, address: SocketAddr) -> Result<Endpoint, NetError> {
    Endpoint::server(server, address)
        .map_err(|error| NetError::Endpoint(format!("{address} cannot be bound: {error}")))
}

/// Nearly every packet is answered by one of the layer above, which has the acknowledgement with it. (QUIC Acknowledgment
/// Frequency, draft-ietf-quic-ack-frequency; a peer that does not know it acknowledges as always.)
fn acknowledgements() -> AckFrequencyConfig {
    let mut config = AckFrequencyConfig::default();
    config
        .ack_eliciting_threshold(VarInt::from_u32(PACKETS_UNACKNOWLEDGED))
        .max_ack_delay(Some(UNACKNOWLEDGED_FOR));
    config
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_LIMIT_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .send_fairness(false)
        .ack_frequency_config(Some(acknowledgements()));
    config
}
