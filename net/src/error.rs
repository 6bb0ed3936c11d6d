//! What can go wrong between two nodes.

use std::time::Duration;

use crate::transport::NodeId;

/// A call or channel that did not work. None of these says whether the peer acted: only an answer does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No connection, and none could be made: the peer is down, cut off, or its address is not known.
    #[error("node {peer} is not reachable: {why}")]
    Unreachable { peer: NodeId, why: String },
    /// The deadline passed. The peer may still have acted.
    #[error("node {peer} did not answer within {waited:?}")]
    Timeout { peer: NodeId, waited: Duration },
    /// The peer answered that it will not do this.
    #[error("node {peer} refused: {why}")]
    Refused { peer: NodeId, why: String },
    /// The peer says that this node was removed from the cluster. That is for good.
    #[error("node {peer} says that this node was removed from the cluster")]
    Removed { peer: NodeId },
    /// The channel or connection ended before the exchange was complete.
    #[error("the connection to node {peer} was lost: {why}")]
    Lost { peer: NodeId, why: String },
    /// Bytes that are no frame of a version known here.
    #[error("malformed frame: {0}")]
    BadFrame(String),
    /// A frame above [`crate::frame::MAX_FRAME_BYTES`].
    #[error("a frame of {bytes} bytes is above the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    /// The endpoint could not be set up: address in use, unusable certificate.
    #[error("the endpoint cannot start: {0}")]
    Endpoint(String),
}

impl NetError {
    /// A stable code for logs, metrics and `explain`.
    pub fn code(&self) -> &'static str {
        match self {
            NetError::Unreachable { .. } => "net_unreachable",
            NetError::Timeout { .. } => "net_timeout",
            NetError::Refused { .. } => "net_refused",
            NetError::Removed { .. } => "net_removed",
            NetError::Lost { .. } => "net_lost",
            NetError::BadFrame(_) => "net_bad_frame",
            NetError::TooLarge { .. } => "net_frame_too_large",
            NetError::Endpoint(_) => "net_endpoint",
        }
    }
}
