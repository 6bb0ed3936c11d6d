//! The real transport: QUIC (RFC 9000) with mutual TLS 1.3 under the cluster's own authority.
//!
//! One long-lived connection to each peer, kept up by a task so that no election waits for a handshake; snapshots
//! get connections of their own. A connection counts only once its [`hello`] is answered: TLS proves who the peer
//! is, the hello that both mean the same cluster and speak the same version. No 0-RTT: a request that can be
//! replayed by a stranger has no place here.

mod accept;
mod datagram;
mod endpoint;
mod hello;
mod link;
mod register;
mod stream;
mod tally;
mod transport;

pub(crate) use endpoint::{CLOSE_BUSY, CLOSE_UNWELCOME, JOIN_ALPN, crypto_provider};
pub use hello::PROTOCOLS;
pub use tally::PeerTally;
pub use transport::{QuicConfig, QuicTransport};
