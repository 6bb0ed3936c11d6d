//! What openraft is configured with. Outside this crate nobody names openraft.

use std::fmt;

use bytes::Bytes;
use net::NodeId;
use openraft::alias;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{codec, runtime::Runtime};

openraft::declare_raft_types!(
    /// The types of the one replicated group.
    pub TypeConfig:
        D = Command,
        R = Outcome,
        NodeId = NodeId,
        Node = NodeInfo,
        AsyncRuntime = Runtime,
);

pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type LeaderId = alias::LeaderIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type RaftEntry = alias::EntryOf<TypeConfig>;
pub(crate) type Payload = alias::PayloadOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<NodeId, NodeInfo>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = alias::SnapshotOf<TypeConfig, crate::snapshot::SnapshotHandle>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::state_machine::StateMachine>;

/// Time and randomness, put on a command by the leader that proposes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The leader's clock in milliseconds since the Unix epoch, before clamping.
    pub now_ms: u64,
    /// The only randomness that apply may use.
    pub seed: [u8; 16],
}

/// What a log entry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The machine's own business; the bytes are opaque here.
    Apply(Bytes),
    /// Ends a run, so that every node has a digest at this index.
    Checkpoint,
}

/// A stamped action: the payload of an ordinary log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub stamp: Stamp,
    pub action: Action,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Apply(payload) => write!(f, "apply({} bytes)", payload.len()),
            Action::Checkpoint => f.write_str("checkpoint"),
        }
    }
}

/// The machine's answer to one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome(pub Bytes);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What the cluster knows of a member, beside its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// For people.
    pub name: String,
    /// `host:port` of the cluster endpoint.
    pub cluster: String,
    /// Base URL or `host:port` of the HTTP endpoint.
    pub http: String,
    /// Where it stands, for spreading voters.
    pub zone: String,
}

impl fmt::Display for NodeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.cluster)
    }
}

/// openraft is built with serde and demands it of these types. Nothing of ours is stored or sent that way (see
/// [`codec`]), so the impls simply carry the pinned bytes.
macro_rules! serde_as_pinned_bytes {
    ($type:ty, $encode:expr, $decode:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&$encode(self))
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = Vec::<u8>::deserialize(deserializer)?;
                $decode(Bytes::from(bytes)).map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_pinned_bytes!(Command, codec::encode_command, codec::decode_command);
serde_as_pinned_bytes!(NodeInfo, codec::encode_node, codec::decode_node);
serde_as_pinned_bytes!(Outcome, |outcome: &Outcome| outcome.0.clone(), |bytes| {
    Ok::<Outcome, codec::Malformed>(Outcome(bytes))
});
