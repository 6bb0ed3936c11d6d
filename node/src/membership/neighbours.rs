//! Who is alive, by gossip: an opinion for people and for routing.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use net::{Gossip, GossipConfig, Liveness, Members, NodeId, Profile, Transport};
use shop::cluster::{self, NodeRecord};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::Membership;
use crate::gateway::STORE;

/// How often this node says how it is.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Every so many times it also reads who belongs.
const READ_EVERY: u32 = 5;

/// The others. Empty until gossip has begun. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Neighbours(Arc<OnceLock<Gossip>>);

impl Neighbours {
    pub(super) fn start(&self, config: GossipConfig, transport: Arc<dyn Transport>) {
        self.0.get_or_init(|| Gossip::start(config, transport));
    }

    /// Everybody heard of.
    pub fn members(&self) -> Members {
        self.0.get().map(|gossip| gossip.members().borrow().clone()).unwrap_or_default()
    }

    /// What is thought of `node`; `None` if nothing was ever heard of it.
    pub fn liveness(&self, node: NodeId) -> Option<Liveness> {
        self.members().liveness(node)
    }

    pub(super) async fn leave(&self) {
        if let Some(gossip) = self.0.get() {
            gossip.leave().await;
        }
    }

    /// Those who belong are greeted, those who were removed are not heard any more.
    fn learn(&self, nodes: &[(NodeId, NodeRecord)], forgotten: &mut BTreeSet<NodeId>) {
        let Some(gossip) = self.0.get() else { return };
        for (id, node) in nodes {
            if node.is_member() {
                gossip.introduce(*id, &node.cluster);
            } else if forgotten.insert(*id) {
                gossip.forget(*id);
            }
        }
    }

    fn tell(&self, profile: Profile) {
        if let Some(gossip) = self.0.get() {
            gossip.tell(profile);
        }
    }
}

impl Membership {
    /// Keeps the gossip told of who belongs, and of how this node is.
    pub(super) async fn meet(self, load: impl Fn() -> u16 + Send + Sync, stop: CancellationToken) {
        let (mut ticks, mut count, mut forgotten) = (interval(TELL_EVERY), 0u32, BTreeSet::new());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if count.is_multiple_of(READ_EVERY) {
                let store = self.replica.store.clone();
                let read = tokio::task::spawn_blocking(move || cluster::nodes(&store.view().in_scope(STORE)));
                if let Ok(Ok(nodes)) = read.await {
                    self.neighbours.learn(&nodes, &mut forgotten);
                }
            }
            count = count.wrapping_add(1);
            self.neighbours.tell(Profile {
                load_per_mille: load(),
                draining: self.is_draining(),
                applied_index: self.replica.host.status().applied_index,
            });
        }
    }
}
