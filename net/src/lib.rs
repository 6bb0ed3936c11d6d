//! Moves bytes between nodes. It never looks inside them, never decides who leads, and never keeps state that
//! must survive a restart.
//!
//! - [`Transport`]: what `raft` and the node build on: calls, ordered channels, a deadline on everything.
//! - [`QuicTransport`]: the real one, between nodes that prove who they are with an [`Identity`].
//! - [`ask`] and [`Registrar`]: how somebody without a certificate asks for one.
//! - [`Isolated`]: the transport of a cluster of one.
//! - [`Gossip`]: who is alive, by SWIM over datagrams.
//! - [`sim`]: a network in memory that delays, loses and cuts by a seed.

mod error;
pub mod frame;
mod identity;
mod isolated;
mod join;
mod members;
mod quic;
pub mod sim;
mod swim;
mod transport;

pub use error::NetError;
pub use identity::{
    Authority, CertificateRequest, ClusterId, Identity, IdentityError, NodeKey, Validity,
    cluster_of_authority, key_sha256, validity_of,
};
pub use isolated::Isolated;
pub use join::{JoinError, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Pin, Registrar, ask};
pub use members::{Liveness, Members, Peer, Profile};
pub use quic::{PROTOCOLS, PeerTally, QuicConfig, QuicTransport};
pub use swim::{Gossip, GossipConfig, Pace};
pub use transport::{
    BoxFuture, Channel, FrameReceiver, FrameSender, GroupId, Kind, Lane, Listener, MAX_DATAGRAM_BYTES,
    NodeId, Route, Service, Transport,
};
