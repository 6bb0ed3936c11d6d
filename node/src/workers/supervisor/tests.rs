//! Three nodes share queues out among them; nodes drain, come back, and die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use shop::broker::{Fence, Lease, TrimReplies, queries};
use shop::{Actor, Code};
use storage::Scope;
use tokio_util::sync::CancellationToken;

use super::{Fences, Pass, Reconciler, Supervisor};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::peers::Condition;
use crate::replica::Replica;
use crate::replica::tests::cluster::{Cluster, until};
use crate::telemetry::Metrics;
use crate::workers::Desk;
use crate::workers::desk::Trouble;
use crate::workers::share::preferred;

/// Who worked under which lease.
type Worked = Arc<Mutex<BTreeMap<(String, u64), BTreeSet<u64>>>>;

/// Does nothing but note under which leases it could have.
struct Recorder {
    node: u64,
    worked: Worked,
}

fn queues() -> Vec<String> {
    (0..8).map(|n| format!("queue-{n}")).collect()
}

impl Reconciler for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn queues(&self) -> Vec<String> {
        queues()
    }

    fn pass<'a>(&'a mut self, _: &'a Desk, fences: &'a Fences) -> BoxFuture<'a, Result<Pass, Trouble>> {
        let mut worked = self.worked.lock().unwrap();
        for (queue, fence) in &fences.0 {
            worked.entry((queue.clone(), fence.epoch)).or_default().insert(self.node);
        }
        Box::pin(async { Ok(Pass::Idle) })
    }
}

fn leases(replica: &Replica) -> BTreeMap<String, Lease> {
    let view = replica.store.view().in_scope(Scope(1));
    let lease = |queue: String| queries::lease(&view, &queue).unwrap().map(|lease| (queue, lease));
    queues().into_iter().filter_map(lease).collect()
}

/// Whether each queue is held by the one of these nodes that it falls to.
fn are_shared_among(replica: &Replica, nodes: &[u64]) -> bool {
    let nodes: BTreeSet<u64> = nodes.iter().copied().collect();
    let leases = leases(replica);
    queues().iter().all(|queue| leases.get(queue).map(|lease| lease.holder) == preferred(queue, &nodes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_shared_out_handed_over_and_taken_from_the_dead() {
    let mut cluster = Cluster::over_quic(3).await;
    let (worked, stop) = (Worked::default(), CancellationToken::new());
    // Which node drains; 0 for none.
    let draining = Arc::new(AtomicU64::new(0));
    // The node that is not ready, as one that still receives its copy of the state; 0 for none.
    let (late, unready) = (3, Arc::new(AtomicU64::new(3)));
    let mut supervisors = Vec::new();
    for node in cluster.ids() {
        let replica = cluster.replica(node).clone();
        let (draining, unready) = (draining.clone(), unready.clone());
        replica.peers.tell(move || Condition {
            works: true,
            draining: draining.load(Ordering::Relaxed) == node,
            unready: (unready.load(Ordering::Relaxed) == node)
                .then(|| "it joins".to_owned())
                .into_iter()
                .collect(),
            ..Condition::starting()
        });
        let mut settings = Config::default().workers;
        settings.interval_ms = 100;
        let (clock, metrics) = (SystemClock::start(), Metrics::new().unwrap());
        let supervisor = Supervisor {
            desk: Desk::new(replica.clone(), clock, metrics, settings),
            node,
            applied: replica.host.applied(),
            present: replica.peers.watch(),
            stop: stop.clone(),
        };
        let recorder = Recorder { node, worked: worked.clone() };
        supervisors.push(tokio::spawn(supervisor.run(Box::new(recorder))));
    }
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().filter(|id| *id != leader).collect();
    let (stays, goes) = (others[0], others[1]);
    let replica = cluster.replica(stays).clone();
    until("queues wait for a node that joins", || are_shared_among(&replica, &[1, 2])).await;
    unready.store(0, Ordering::Relaxed);
    until("the queues are not shared out", || are_shared_among(&replica, &[1, 2, 3])).await;
    // Whoever was ready keeps its work while it is not for a moment.
    unready.store(late, Ordering::Relaxed);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(are_shared_among(&replica, &[1, 2, 3]), "an unready moment costs a node its leases");
    unready.store(0, Ordering::Relaxed);
    let all: BTreeSet<u64> = cluster.ids().collect();
    assert!(queues().iter().filter_map(|queue| preferred(queue, &all)).any(|node| node == goes));

    draining.store(goes, Ordering::Relaxed);
    until("a draining node keeps its leases", || are_shared_among(&replica, &[leader, stays])).await;
    draining.store(0, Ordering::Relaxed);
    until("its queues do not come back", || are_shared_among(&replica, &[1, 2, 3])).await;

    let before = leases(&replica);
    cluster.stop(goes).await;
    until("the dead keep their leases", || are_shared_among(&replica, &[leader, stays])).await;

    // What the dead node might still say is refused.
    let (queue, lost) = before.iter().find(|(_, lease)| lease.holder == goes).unwrap();
    let fence = Fence { queue: queue.clone(), epoch: lost.epoch };
    let late = replica.proposer.run(Actor::Worker, TrimReplies { fence, keys: Vec::new() }.into()).await;
    assert_eq!(late.unwrap().result.unwrap_err().code, Code::StaleEpoch);

    stop.cancel();
    for supervisor in supervisors {
        supervisor.await.unwrap();
    }
    // No lease was ever two nodes' own, and whoever stopped gave its leases back.
    for (lease, nodes) in worked.lock().unwrap().iter() {
        assert_eq!(nodes.len(), 1, "{lease:?}: {nodes:?}");
    }
    let by_the_living =
        |replica: &Replica| leases(replica).values().all(|lease| lease.holder == super::NOBODY);
    until("leases are not given back", || by_the_living(&replica)).await;
    cluster.close().await;
}
