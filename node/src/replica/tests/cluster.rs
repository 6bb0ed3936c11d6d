//! Several replicas in one process, each with its own directory, log and engine, over real QUIC or a network that can be
//! cut.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::sim::SimNetwork;
use net::{Authority, ClusterId, QuicConfig, QuicTransport, Transport, Validity};
use raft::{NodeId, NodeInfo, Role};
use shop::broker::AcquireLease;
use shop::catalog::CreateCategory;
use shop::{Actor, Command};
use tempfile::TempDir;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::identity::Identity;
use crate::replica::Replica;
use crate::telemetry::Metrics;

/// Everything here is over long before, on a machine that has time for it.
pub const LIMIT: Duration = Duration::from_secs(60);

const VALIDITY: Validity = Validity { from_ms: 1_600_000_000_000, until_ms: 4_000_000_000_000 };

/// How replicas reach each other.
enum Wire {
    Quic(Box<Authority>),
    Cuttable(SimNetwork),
}

struct Member {
    id: NodeId,
    directory: DataDir,
    address: String,
    clock: SystemClock,
    replica: Option<Replica>,
}

pub struct Cluster {
    wire: Wire,
    members: Vec<Member>,
    _home: TempDir,
}

impl Cluster {
    /// Over QUIC on loopback; all of them vote.
    pub async fn over_quic(count: u64) -> Cluster {
        let authority = Authority::generate(ClusterId([1; 16]), VALIDITY).unwrap();
        Cluster::start(count, Wire::Quic(Box::new(authority))).await
    }

    /// Over a network in memory that can be cut.
    pub async fn cuttable(count: u64) -> (Cluster, SimNetwork) {
        let network = SimNetwork::new(1);
        (Cluster::start(count, Wire::Cuttable(network.clone())).await, network)
    }

    async fn start(count: u64, wire: Wire) -> Cluster {
        let home = tempfile::tempdir().unwrap();
        let mut cluster = Cluster { wire, members: Vec::new(), _home: home };
        for id in 1..=count {
            let directory = DataDir::create(&cluster._home.path().join(id.to_string())).unwrap();
            directory.finish().unwrap();
            let address = cluster.free_address(id).await;
            cluster.members.push(Member {
                id,
                directory,
                address,
                clock: SystemClock::start(),
                replica: None,
            });
            cluster.restart(id).await;
        }
        let first = cluster.replica(1).clone();
        first.bootstrap(cluster.info(1)).await.unwrap();
        first.ready(LIMIT).await.unwrap();
        // Members are changed by a leader that has committed something.
        let acquire = AcquireLease { queue: "first".into(), holder: 1 };
        first.proposer.run(Actor::System, acquire.into()).await.unwrap();
        let deadline = || tokio::time::Instant::now() + LIMIT;
        // The first membership must be committed before the next can be proposed.
        first.host.read(raft::Consistency::Linearizable, None, deadline()).await.unwrap();
        for id in 2..=count {
            first.host.add_learner(id, cluster.info(id), deadline()).await.unwrap();
        }
        let voters: BTreeSet<NodeId> = (1..=count).collect();
        first.host.set_voters(voters, deadline()).await.unwrap();
        for id in 1..=count {
            cluster.replica(id).ready(LIMIT).await.unwrap();
        }
        cluster
    }

    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        1..=self.members.len() as u64
    }

    pub fn replica(&self, id: NodeId) -> &Replica {
        self.members[id as usize - 1].replica.as_ref().unwrap()
    }

    pub fn directory(&self, id: NodeId) -> &DataDir {
        &self.members[id as usize - 1].directory
    }

    pub fn running(&self) -> Vec<NodeId> {
        self.members.iter().filter(|member| member.replica.is_some()).map(|member| member.id).collect()
    }

    /// A node that leads by its own account and is still followed; waits for one.
    pub async fn leader(&self) -> NodeId {
        let found = || {
            let running = self.running();
            let leads = |id: &NodeId| self.replica(*id).host.status().role == Role::Leader;
            let leader = running.iter().copied().find(leads)?;
            running.iter().all(|id| self.replica(*id).host.leader() == Some(leader)).then_some(leader)
        };
        until("there is no leader", || found().is_some()).await;
        found().unwrap_or(1)
    }

    /// Any node that does not lead.
    pub async fn follower(&self) -> NodeId {
        let leader = self.leader().await;
        self.running().into_iter().find(|id| *id != leader).unwrap()
    }

    pub async fn stop(&mut self, id: NodeId) {
        let replica = self.members[id as usize - 1].replica.take().unwrap();
        replica.close().await;
    }

    /// The clock that a node has had since it was started last.
    pub fn clock(&self, id: NodeId) -> SystemClock {
        self.members[id as usize - 1].clock
    }

    pub async fn restart(&mut self, id: NodeId) {
        self.restart_with_clock(id, 0).await;
    }

    /// With a clock that is so far ahead.
    pub async fn restart_with_clock(&mut self, id: NodeId, ahead_ms: i64) {
        let (config, metrics) = (Config::default(), Metrics::new().unwrap());
        let began = Instant::now();
        loop {
            let transport = self.transport(id);
            let member = &mut self.members[id as usize - 1];
            let identity = Identity { node: id, cluster: None };
            let clock = SystemClock::ahead_by(ahead_ms);
            member.clock = clock;
            let opened =
                Replica::open(&config, &identity, &member.directory, transport, clock, &metrics).await;
            match opened {
                Ok(replica) => {
                    member.replica = Some(replica);
                    return;
                }
                // Port and engine are free a moment after their last user has stopped.
                Err(error) => assert!(began.elapsed() < LIMIT, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn close(self) {
        for member in self.members {
            if let Some(replica) = member.replica {
                replica.close().await;
            }
        }
    }

    fn info(&self, id: NodeId) -> NodeInfo {
        NodeInfo { cluster: self.members[id as usize - 1].address.clone(), ..NodeInfo::default() }
    }

    fn quic(authority: &Authority, id: NodeId, address: &str) -> QuicTransport {
        let identity = authority.issue(id, VALIDITY).unwrap();
        QuicTransport::new(QuicConfig::new(identity, address.parse().unwrap()))
    }

    fn transport(&self, id: NodeId) -> Arc<dyn Transport> {
        match &self.wire {
            Wire::Quic(authority) => {
                Arc::new(Cluster::quic(authority, id, &self.members[id as usize - 1].address))
            }
            Wire::Cuttable(network) => network.transport(id),
        }
    }

    /// An address that the replica binds a moment later, again after each restart.
    async fn free_address(&self, id: NodeId) -> String {
        let Wire::Quic(authority) = &self.wire else { return format!("n{id}") };
        let transport = Cluster::quic(authority, id, "127.0.0.1:0");
        transport.start().await.unwrap();
        let address = transport.local_address().unwrap().to_string();
        transport.stop().await;
        address
    }
}

/// Waits until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn category(slug: &str) -> Command {
    CreateCategory { slug: slug.parse().unwrap(), title: slug.to_owned() }.into()
}
