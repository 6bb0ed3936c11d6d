//! The side that wants to join.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, IdleTimeout, TransportConfig,
    crypto::rustls::QuicClientConfig,
};
use tokio::time::timeout;

use super::{
    MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Pin,
    pin::{Mismatch, PinVerifier},
};
use crate::{
    identity::ClusterId,
    quic::{CLOSE_BUSY, JOIN_ALPN, crypto_provider},
};

/// Why there is no answer. None of these says that the request was not carried out, unless it says that nothing was
/// sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Nothing was sent.
    #[error("{address} is not reachable: {why}")]
    Unreachable { address: String, why: String },
    /// Nothing was sent.
    #[error(
        "whoever answers at {address} says that it is of the cluster that made this token, and is not: somebody may sit in between"
    )]
    PinMismatch { address: String },
    /// Nothing was sent.
    #[error("{address} says that it is a node of cluster {found}, the token is of cluster {expected}")]
    WrongCluster { address: String, found: ClusterId, expected: ClusterId },
    /// Nothing was looked at.
    #[error("{address} has been asked too often; try again in a moment")]
    Busy { address: String },
    #[error("the connection to {address} was lost: {why}")]
    Lost { address: String, why: String },
    #[error("the request has {0} bytes, the most is {MAX_REQUEST_BYTES}")]
    TooLarge(usize),
}

impl JoinError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            JoinError::Unreachable { .. } => "join_unreachable",
            JoinError::PinMismatch { .. } => "join_pin_mismatch",
            JoinError::WrongCluster { .. } => "join_wrong_cluster",
            JoinError::Busy { .. } => "join_busy",
            JoinError::Lost { .. } => "join_lost",
            JoinError::TooLarge(_) => "join_too_large",
        }
    }
}

/// Sends `request` to the node at `address` (`HOST:PORT`) and returns its answer, all within `limit`. Nothing is sent
/// before the node has proved that it is of the pinned cluster.
///
/// # Errors
/// See [`JoinError`].
pub async fn ask(address: &str, pin: Pin, request: Bytes, limit: Duration) -> Result<Bytes, JoinError> {
    if request.len() > MAX_REQUEST_BYTES {
        return Err(JoinError::TooLarge(request.len()));
    }
    let unreachable = |why: String| JoinError::Unreachable { address: address.to_owned(), why };
    let work = async {
        let socket =
            tokio::net::lookup_host(address).await.map_err(|error| unreachable(error.to_string()))?.next();
        let socket = socket.ok_or_else(|| unreachable("the name has no address".into()))?;
        let any = match socket {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let endpoint = Endpoint::client(any).map_err(|error| unreachable(error.to_string()))?;
        let answer = exchange(&endpoint, socket, address, pin, request).await;
        endpoint.close(0u32.into(), b"done");
        // The other side shall hear of it before the socket goes.
        let _ = timeout(Duration::from_millis(500), endpoint.wait_idle()).await;
        answer
    };
    timeout(limit, work).await.unwrap_or_else(|_| Err(unreachable(format!("no answer within {limit:?}"))))
}

async fn exchange(
    endpoint: &Endpoint,
    socket: SocketAddr,
    address: &str,
    pin: Pin,
    request: Bytes,
) -> Result<Bytes, JoinError> {
    let unreachable = |why: String| JoinError::Unreachable { address: address.to_owned(), why };
    let provider = crypto_provider();
    let verifier = PinVerifier::new(pin, provider.clone());
    let found = verifier.found();
    let config = config(provider, verifier).map_err(unreachable)?;
    // The verifier looks for the name that is in the certificate: which node answers does not matter.
    let connecting = endpoint
        .connect_with(config, socket, "join.shopnode.internal")
        .map_err(|error| unreachable(error.to_string()))?;
    let connection = connecting.await.map_err(|error| {
        let mismatch = *found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match mismatch {
            Some(Mismatch::Authority) => JoinError::PinMismatch { address: address.to_owned() },
            Some(Mismatch::Cluster(found)) => {
                JoinError::WrongCluster { address: address.to_owned(), found, expected: pin.cluster }
            }
            None => unreachable(error.to_string()),
        }
    })?;
    send_and_wait(&connection, request).await.map_err(|why| match connection.close_reason() {
        Some(ConnectionError::ApplicationClosed(closed)) if closed.error_code == CLOSE_BUSY.into() => {
            JoinError::Busy { address: address.to_owned() }
        }
        Some(ConnectionError::ApplicationClosed(closed)) => JoinError::Lost {
            address: address.to_owned(),
            why: String::from_utf8_lossy(&closed.reason).into(),
        },
        _ => JoinError::Lost { address: address.to_owned(), why },
    })
}

async fn send_and_wait(connection: &Connection, request: Bytes) -> Result<Bytes, String> {
    let (mut tx, mut rx) = connection.open_bi().await.map_err(|error| error.to_string())?;
    tx.write_chunk(request).await.map_err(|error| error.to_string())?;
    tx.finish().map_err(|error| error.to_string())?;
    rx.read_to_end(MAX_ANSWER_BYTES).await.map(Bytes::from).map_err(|error| error.to_string())
}

fn config(
    provider: Arc<rustls::crypto::CryptoProvider>,
    verifier: PinVerifier,
) -> Result<ClientConfig, String> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![JOIN_ALPN.to_vec()];
    tls.enable_sni = false;
    let tls = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut config = ClientConfig::new(Arc::new(tls));
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(IdleTimeout::from(quinn::VarInt::from_u32(10_000))));
    transport.keep_alive_interval(Some(Duration::from_secs(2)));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
