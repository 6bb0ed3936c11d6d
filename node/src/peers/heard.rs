//! How busy the other nodes are, as they told last: whoever wants to give work away must know how old that is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use net::NodeId;
use tokio::time::Instant;

use super::Peers;
use super::status::Condition;

/// What a node told of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub at: Instant,
    /// Requests under way, in thousandths of what it takes at once.
    pub load_per_mille: u32,
    /// Whether it can serve and does not drain.
    pub serves: bool,
}

/// The last that each member told.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<BTreeMap<NodeId, Told>>);

impl Heard {
    pub(super) fn note(&self, node: NodeId, condition: &Condition) {
        let serves = condition.unready.is_empty() && !condition.draining;
        let told = Told { at: Instant::now(), load_per_mille: condition.load_per_mille, serves };
        self.lock().insert(node, told);
    }

    /// Notes the load alone of a node that is known to serve.
    pub(super) fn note_load(&self, node: NodeId, load_per_mille: u32) {
        if let Some(told) = self.lock().get_mut(&node) {
            (told.at, told.load_per_mille) = (Instant::now(), load_per_mille);
        }
    }

    pub(super) fn retain(&self, is_member: impl Fn(NodeId) -> bool) {
        self.lock().retain(|node, _| is_member(*node));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Told>> {
        // One entry is changed at a time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    /// What the other members told last. Asked twice a second as long as somebody [watches](Peers::watch).
    pub fn told(&self) -> Vec<(NodeId, Told)> {
        self.0.heard.lock().iter().map(|(node, told)| (*node, *told)).collect()
    }
}
