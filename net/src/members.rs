//! Who is alive, as this node has heard. It is an opinion: routing and people use it, votes do not.

use std::{collections::BTreeMap, sync::Arc};

use crate::transport::NodeId;

/// What the cluster thinks of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    Alive,
    /// It did not answer, and may still deny that it is gone.
    Suspect,
    Down,
}

/// What a node says of itself every now and then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile {
    /// How busy it is, in thousandths; above 1,000 it queues.
    pub load_per_mille: u16,
    /// It gives up its work and takes no new one.
    pub draining: bool,
    /// How far it has applied.
    pub applied_index: u64,
}

/// One node, as heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub node: NodeId,
    pub liveness: Liveness,
    /// `host:port` of its cluster endpoint, as it says itself.
    pub address: String,
    /// The last that was heard; `None` before the first.
    pub profile: Option<Profile>,
}

/// Everybody heard of, this node included. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(Arc<BTreeMap<NodeId, Peer>>);

impl Members {
    pub(crate) fn new(peers: BTreeMap<NodeId, Peer>) -> Members {
        Members(Arc::new(peers))
    }

    /// What is thought of `node`; `None` if nothing was ever heard of it.
    pub fn liveness(&self, node: NodeId) -> Option<Liveness> {
        self.0.get(&node).map(|peer| peer.liveness)
    }

    /// What was heard of `node`.
    pub fn get(&self, node: NodeId) -> Option<&Peer> {
        self.0.get(&node)
    }

    /// Everybody, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.0.values()
    }
}
