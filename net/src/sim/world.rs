//! What all simulated nodes share: who is up, which paths are cut, and the dice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::watch;

use super::{random::Random, transport::SimTransport};
use crate::transport::{GroupId, Listener, NodeId, Service};

/// What has happened to messages so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimStats {
    /// Calls and frames that arrived.
    pub delivered: u64,
    /// Calls, answers and frames that were lost by chance.
    pub lost: u64,
    /// Messages that met a cut path.
    pub blocked: u64,
}

/// A network. Clones are the same one.
#[derive(Clone)]
pub struct SimNetwork {
    world: Arc<Mutex<World>>,
    /// Counts changes of who is up and what is cut, to wake whoever waits for one.
    changes: watch::Sender<u64>,
}

struct World {
    random: Random,
    delay_us: (u64, u64),
    loss_per_mille: u64,
    /// Directed paths on which nothing passes.
    cut: BTreeSet<(NodeId, NodeId)>,
    nodes: BTreeMap<NodeId, Node>,
    stats: SimStats,
}

#[derive(Default)]
struct Node {
    /// Counts starts: what an earlier process had open is gone.
    life: u64,
    up: bool,
    services: BTreeMap<GroupId, Arc<dyn Service>>,
    listener: Option<Arc<dyn Listener>>,
}

/// What becomes of a message.
pub(super) enum Fate {
    Arrives(Duration),
    Lost,
}

impl SimNetwork {
    /// A network without loss, where a message takes 0.1 to 1 ms.
    pub fn new(seed: u64) -> SimNetwork {
        let world = World {
            random: Random::new(seed),
            delay_us: (100, 1000),
            loss_per_mille: 0,
            cut: BTreeSet::new(),
            nodes: BTreeMap::new(),
            stats: SimStats::default(),
        };
        SimNetwork { world: Arc::new(Mutex::new(world)), changes: watch::Sender::new(0) }
    }

    /// The endpoint of a process that starts now as `node`. Whatever an earlier one had open breaks.
    pub fn transport(&self, node: NodeId) -> Arc<SimTransport> {
        let life = {
            let mut world = self.world();
            let node = world.nodes.entry(node).or_default();
            *node = Node { life: node.life + 1, up: true, ..Node::default() };
            node.life
        };
        self.changed();
        Arc::new(SimTransport { network: self.clone(), node, life })
    }

    /// How long messages take from now on.
    pub fn set_delay(&self, least: Duration, most: Duration) {
        self.world().delay_us = (least.as_micros() as u64, most.as_micros() as u64);
    }

    /// How many of 1,000 messages are lost from now on.
    pub fn set_loss(&self, per_mille: u64) {
        self.world().loss_per_mille = per_mille;
    }

    /// Nothing passes from `from` to `to` any more; the other direction works.
    pub fn cut_one_way(&self, from: NodeId, to: NodeId) {
        self.world().cut.insert((from, to));
        self.changed();
    }

    /// Nothing passes between the two sides.
    pub fn cut(&self, left: &[NodeId], right: &[NodeId]) {
        {
            let mut world = self.world();
            for &a in left {
                for &b in right {
                    world.cut.insert((a, b));
                    world.cut.insert((b, a));
                }
            }
        }
        self.changed();
    }

    /// Every path works, nothing is lost.
    pub fn heal(&self) {
        {
            let mut world = self.world();
            world.cut.clear();
            world.loss_per_mille = 0;
        }
        self.changed();
    }

    /// What has happened so far.
    pub fn stats(&self) -> SimStats {
        self.world().stats
    }

    pub(super) fn fate(&self, from: NodeId, to: NodeId) -> Fate {
        let mut world = self.world();
        if world.cut.contains(&(from, to)) {
            world.stats.blocked += 1;
            return Fate::Lost;
        }
        let loss = world.loss_per_mille;
        if world.random.chance(loss) {
            world.stats.lost += 1;
            return Fate::Lost;
        }
        world.stats.delivered += 1;
        Fate::Arrives(world.delay())
    }

    /// A delay as a lost and repeated message has it.
    pub(super) fn repeat_delay(&self) -> Duration {
        let mut world = self.world();
        Duration::from_millis(20) + world.delay() * 3
    }

    pub(super) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.world().cut.contains(&(from, to))
    }

    pub(super) fn is_alive(&self, node: NodeId, life: u64) -> bool {
        self.world().nodes.get(&node).is_some_and(|found| found.up && found.life == life)
    }

    /// Who answers for `group` on `node`, and which life it is in.
    pub(super) fn service(&self, node: NodeId, group: GroupId) -> Option<(Arc<dyn Service>, u64)> {
        let world = self.world();
        let found = world.nodes.get(&node).filter(|found| found.up)?;
        Some((found.services.get(&group)?.clone(), found.life))
    }

    pub(super) fn register(&self, node: NodeId, life: u64, group: GroupId, service: Arc<dyn Service>) {
        if let Some(found) = self.world().nodes.get_mut(&node)
            && found.life == life
        {
            found.services.insert(group, service);
        }
    }

    pub(super) fn listen(&self, node: NodeId, life: u64, listener: Arc<dyn Listener>) {
        if let Some(found) = self.world().nodes.get_mut(&node)
            && found.life == life
        {
            found.listener = Some(listener);
        }
    }

    /// Who hears datagrams on `node`.
    pub(super) fn listener(&self, node: NodeId) -> Option<Arc<dyn Listener>> {
        self.world().nodes.get(&node).filter(|found| found.up)?.listener.clone()
    }

    pub(super) fn stop(&self, node: NodeId, life: u64) {
        let gone = match self.world().nodes.get_mut(&node) {
            Some(found) if found.life == life => {
                found.up = false;
                (std::mem::take(&mut found.services), found.listener.take())
            }
            _ => return,
        };
        // Outside the lock: what a service holds may want the network while it goes away.
        drop(gone);
        self.changed();
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl World {
    fn delay(&mut self) -> Duration {
        let (least, most) = self.delay_us;
        Duration::from_micros(self.random.between(least, most))
    }
}
