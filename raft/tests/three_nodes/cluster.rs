//! Three machines that can crash and start again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use net::{
    NodeId,
    sim::{Random, SimNetwork},
};
use raft::{Clock, Config, Host, LogDisk, NodeInfo, Observer, Refetch, Role};
use storage::MemoryDisk;
use tokio::time::Instant;

use crate::journal::Journal;

pub const NODES: [NodeId; 3] = [1, 2, 3];

/// One machine: its disks outlive its process.
struct Machine {
    log: LogDisk,
    state: MemoryDisk,
    /// Its clock is off by this much.
    skew_ms: i64,
    host: Option<Host>,
}

/// Snapshots on their way, and leads given away, over all lives of all nodes.
#[derive(Debug, Default)]
pub struct Transfers {
    pub frames: AtomicU64,
    pub bytes: AtomicU64,
    pub resumed: AtomicU64,
    pub leads: AtomicU64,
}

impl Observer for Transfers {
    fn snapshot_frame(&self, bytes: u64) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn snapshot_resumed(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }

    fn lead_transferred(&self) {
        self.leads.fetch_add(1, Ordering::Relaxed);
    }
}

pub struct Cluster {
    pub network: SimNetwork,
    pub installs: Arc<AtomicU64>,
    pub transfers: Arc<Transfers>,
    machines: BTreeMap<NodeId, Machine>,
    epoch: Instant,
    seeds: Arc<AtomicU64>,
}

/// A clock that follows the paused one, wrongly.
struct SkewedClock {
    epoch: Instant,
    skew_ms: i64,
    seeds: Arc<AtomicU64>,
}

impl Clock for SkewedClock {
    fn now_ms(&self) -> u64 {
        let since = self.epoch.elapsed().as_millis() as u64;
        (1_800_000_000_000 + since).saturating_add_signed(self.skew_ms)
    }

    fn seed(&self) -> [u8; 16] {
        let number = self.seeds.fetch_add(1, Ordering::Relaxed);
        u128::from(number).to_be_bytes()
    }
}

pub fn within(time: Duration) -> Instant {
    Instant::now() + time
}

pub fn seconds(count: u64) -> Instant {
    within(Duration::from_secs(count))
}

impl Cluster {
    /// Starts all three: the first begins the cluster, the others are added and made voters.
    pub async fn start(random: &mut Random) -> Cluster {
        let mut cluster = Cluster {
            network: SimNetwork::new(random.number()),
            installs: Arc::default(),
            transfers: Arc::default(),
            machines: BTreeMap::new(),
            epoch: Instant::now(),
            seeds: Arc::default(),
        };
        for id in NODES {
            cluster.install(id, random).await;
        }
        let first = cluster.host(1).unwrap();
        assert!(first.bootstrap(info(1)).await.unwrap());
        // The first membership must be committed before the next can be proposed.
        first.submit(Bytes::from_static(b"first"), seconds(10)).await.unwrap();
        for id in [2, 3] {
            first.add_learner(id, info(id), seconds(10)).await.unwrap();
        }
        first.set_voters(BTreeSet::from(NODES), seconds(30)).await.unwrap();
        cluster
    }

    /// Sets up one more machine, which belongs to no cluster yet.
    pub async fn install(&mut self, id: NodeId, random: &mut Random) {
        let machine = Machine {
            log: LogDisk::new(Duration::from_micros(random.between(100, 8000))),
            state: MemoryDisk::new(),
            skew_ms: random.between(0, 8000) as i64 - 4000,
            host: None,
        };
        self.machines.insert(id, machine);
        self.boot(id).await;
    }

    /// The state of a machine whose process is stopped.
    pub fn state(&self, id: NodeId) -> MemoryDisk {
        assert!(!self.is_up(id));
        self.machines[&id].state.clone()
    }

    /// Takes the state of a machine away, as a broken file does, and leaves the log.
    pub fn lose_state(&mut self, id: NodeId) {
        let machine = self.machines.get_mut(&id).unwrap();
        assert!(machine.host.is_none());
        machine.state = MemoryDisk::new();
    }

    /// Starts the process on a machine that has none.
    pub async fn boot(&mut self, id: NodeId) {
        self.boot_with(id, None).await;
    }

    /// The same, and lets it ask for a copy of the state first.
    pub async fn boot_with(&mut self, id: NodeId, refetch: Option<Refetch>) {
        let machine = self.machines.get_mut(&id).unwrap();
        assert!(machine.host.is_none());
        let mut config = Config::new(id, "simulated");
        // Small, so that lagging nodes need snapshots and runs end often.
        config.snapshot_entries = 40;
        config.keep_entries = 20;
        config.flush_every = Duration::from_millis(500);
        config.flush_entries = 64;
        config.checkpoint_when_idle = Some(Duration::from_millis(300));
        config.refetch = refetch;
        config.observer = self.transfers.clone();
        let clock = SkewedClock { epoch: self.epoch, skew_ms: machine.skew_ms, seeds: self.seeds.clone() };
        let host = Host::start_simulated(
            config,
            Journal { installs: self.installs.clone() },
            Arc::new(machine.state.open().unwrap()),
            machine.log.open(),
            self.network.transport(id),
            Arc::new(clock),
        )
        .await
        .unwrap();
        machine.host = Some(host);
    }

    /// Power fails. What was not synced is gone, except perhaps for its beginning.
    pub async fn crash(&mut self, id: NodeId, random: &mut Random) {
        let machine = self.machines.get_mut(&id).unwrap();
        let Some(host) = machine.host.take() else { return };
        machine.log.crash(survivors(random));
        host.crash().await;
        drop(host);
        machine.state.crash(random.below(6) as usize);
    }

    /// Power fails everywhere at the same instant: what only memory promised is gone from all three.
    pub async fn blackout(&mut self, random: &mut Random) {
        for machine in self.machines.values().filter(|machine| machine.host.is_some()) {
            machine.log.crash(survivors(random));
        }
        self.crash_all(random).await;
    }

    /// The same at its worst: nothing survives that was not synced.
    pub async fn blackout_losing_everything(&mut self, random: &mut Random) {
        for machine in self.machines.values() {
            machine.log.crash(0);
        }
        self.crash_all(random).await;
    }

    async fn crash_all(&mut self, random: &mut Random) {
        for id in NODES {
            self.crash(id, random).await;
        }
    }

    /// How long a machine's log takes to sync from now on.
    pub fn set_sync_time(&self, id: NodeId, time: Duration) {
        self.machines[&id].log.set_sync_time(time);
    }

    /// Stops the process properly and starts it again.
    pub async fn restart(&mut self, id: NodeId) {
        self.stop(id).await;
        self.boot(id).await;
    }

    /// Stops the process properly, and leaves it so.
    pub async fn stop(&mut self, id: NodeId) {
        if let Some(host) = self.machines.get_mut(&id).unwrap().host.take() {
            host.shutdown().await;
        }
    }

    pub fn host(&self, id: NodeId) -> Option<Host> {
        self.machines[&id].host.clone()
    }

    pub fn hosts(&self) -> Vec<(NodeId, Host)> {
        self.machines.keys().filter_map(|id| Some((*id, self.host(*id)?))).collect()
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.machines[&id].host.is_some()
    }

    /// Who leads now, by its own account; the one in the highest term if there are two.
    pub fn current_leader(&self) -> Option<NodeId> {
        let leading = self.hosts().into_iter().map(|(id, host)| (id, host.status()));
        leading
            .filter(|(_, status)| status.role == Role::Leader)
            .max_by_key(|(_, status)| status.term)
            .map(|(id, _)| id)
    }

    pub async fn leader(&self, deadline: Instant) -> NodeId {
        loop {
            if let Some(leader) = self.current_leader() {
                return leader;
            }
            assert!(Instant::now() < deadline, "nobody leads");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn shutdown(&self) {
        for (_, host) in self.hosts() {
            host.shutdown().await;
        }
    }
}

/// Of the writes that were not synced, how many a crash leaves: most often none.
fn survivors(random: &mut Random) -> usize {
    if random.chance(600) { 0 } else { random.below(4) as usize }
}

pub fn info(id: NodeId) -> NodeInfo {
    NodeInfo { name: format!("node-{id}"), cluster: format!("sim:{id}"), ..NodeInfo::default() }
}
