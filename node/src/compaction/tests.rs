//! Three replicas in one process: whose turn it is, who goes last, and what keeps a node from beginning.

use shop::{Actor, broker};
use storage::Scope;
use tokio_util::sync::CancellationToken;

use super::turn::{QUEUE, Turn};
use super::{Compactor, LEADER_LOOKS, Look, Memory, Parts};
use crate::config::Storage as Settings;
use crate::replica::tests::cluster::{Cluster, category, until};
use crate::telemetry::Metrics;

fn parts(cluster: &Cluster, node: u64) -> Parts {
    Parts {
        replica: cluster.replica(node).clone(),
        node,
        settings: Settings { compact_ratio: 2, compact_min_mb: 1, ..Settings::default() },
        metrics: Metrics::new().unwrap(),
        directory: cluster.directory(node).state(),
    }
}

/// One node with what it remembers.
struct One {
    parts: Parts,
    compactor: Compactor,
    memory: Memory,
}

impl One {
    fn new(cluster: &Cluster, node: u64) -> One {
        One { parts: parts(cluster, node), compactor: Compactor::default(), memory: Memory::default() }
    }

    async fn look(&mut self) -> Look {
        self.compactor.look(&self.parts, &mut self.memory, &CancellationToken::new()).await.unwrap()
    }

    fn compactions(&self) -> usize {
        let done = "shopnode_compactions_total{result=\"done\"} ";
        let text = self.parts.metrics.render().unwrap();
        text.lines().find_map(|line| line.strip_prefix(done)).unwrap().parse().unwrap()
    }
}

/// What the node has applied of the lease.
fn holder(parts: &Parts) -> u64 {
    let view = parts.replica.store.view().in_scope(Scope(1));
    broker::queries::lease(&view, QUEUE).unwrap().map_or(0, |lease| lease.holder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_state_comes_into_blocks_at_once_when_it_may() {
    let cluster = Cluster::over_quic(3).await;
    let leader = cluster.leader().await;
    let mut one = One::new(&cluster, leader);
    let in_blocks = |one: &One| {
        let names = std::fs::read_dir(&one.parts.directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with("-blocks")).count()
    };
    one.parts.settings.compact_ratio = 0;
    assert_eq!((one.look().await, in_blocks(&one)), (Look::Done, 0), "nobody may read blocks yet");
    one.parts.replica.store.allow_blocks();
    for _ in 0..2 {
        assert_eq!((one.look().await, in_blocks(&one)), (Look::Done, 1));
        assert_eq!((one.compactions(), holder(&one.parts)), (0, 0), "it took a turn");
    }
    assert_eq!(cluster.leader().await, leader);
    assert!(one.parts.replica.store.scrub().unwrap().is_clean());
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_compacts_when_asked_and_the_leader_hands_over_first() {
    let cluster = Cluster::over_quic(3).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let mut asked = One::new(&cluster, follower);
    assert_eq!(asked.look().await, Look::Done);
    assert_eq!(asked.compactions(), 0, "nobody asked, and the files are small");
    asked.compactor.ask();
    assert_eq!(asked.look().await, Look::Done);
    assert_eq!(asked.compactions(), 1);
    assert_eq!(asked.look().await, Look::Done);
    assert_eq!(asked.compactions(), 1, "it was asked once");
    let digest = |id| cluster.replica(id).store.digest();
    until("the nodes differ", || digest(follower) == digest(leader)).await;
    assert!(cluster.replica(follower).store.scrub().unwrap().is_clean());

    let mut last = One::new(&cluster, leader);
    last.parts.settings.compact_min_mb = 0;
    // What is there was counted, and is next to nothing: its files are outgrown by far.
    last.memory.counted = Some(super::Counted::now(1, 1, 1 << 30, None));
    for _ in 0..LEADER_LOOKS {
        assert!(matches!(last.look().await, Look::Later(why) if why.contains("leads")));
    }
    until("the turn stays taken", || holder(&last.parts) == 0).await;
    assert_eq!(last.look().await, Look::Done);
    assert_eq!(last.compactions(), 1);
    assert_ne!(cluster.leader().await, leader, "it compacted while it led");
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_at_a_time_until_it_is_gone() {
    let mut cluster = Cluster::over_quic(3).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().filter(|id| *id != leader).collect();
    let (first, mut second) = (parts(&cluster, others[0]), One::new(&cluster, others[1]));
    let turn = Turn::take(&first).await.unwrap();
    until("the lease does not arrive", || holder(&second.parts) == first.node).await;
    second.compactor.ask();
    let expect = format!("it is node {}'s turn", first.node);
    assert_eq!(second.look().await, Look::Later(expect));
    turn.give_back(&first).await;
    until("the lease is not given back", || holder(&second.parts) == 0).await;
    assert_eq!(second.look().await, Look::Done);
    assert_eq!((second.compactions(), second.parts.replica.store.open_exports()), (1, 0));

    // A holder that is gone is not waited for.
    let _kept = loop {
        // Until it has applied that the other gave its turn back, it names an old epoch and is refused.
        if let Ok(turn) = Turn::take(&first).await {
            break turn;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    until("the lease does not arrive", || holder(&second.parts) == first.node).await;
    let gone = first.node;
    drop(first);
    cluster.stop(gone).await;
    second.compactor.ask();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(second.look().await, Look::Done);
    assert_eq!(second.compactions(), 2);
    // Back again, it finds that nothing is its own.
    cluster.restart(gone).await;
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_of_an_earlier_life_is_given_back() {
    let cluster = Cluster::over_quic(1).await;
    let own = parts(&cluster, 1);
    let _of_an_earlier_life = Turn::take(&own).await.unwrap();
    until("the lease does not arrive", || holder(&own) == 1).await;
    Turn::tidy(&own).await;
    until("it is not given back", || holder(&own) == 0).await;
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_it_compacts_as_it_leads_but_not_while_a_copy_is_read() {
    let cluster = Cluster::over_quic(1).await;
    let mut one = One::new(&cluster, 1);
    one.compactor.ask();
    let export = one.parts.replica.store.export().unwrap();
    assert!(matches!(one.look().await, Look::Later(why) if why.contains("copy of the state")));
    drop(export);
    // Somebody goes on selling meanwhile.
    let selling = tokio::spawn({
        let proposer = one.parts.replica.proposer.clone();
        async move {
            for number in 0..50 {
                proposer.run(Actor::System, category(&format!("tea-{number}"))).await.unwrap();
            }
        }
    });
    assert_eq!(one.look().await, Look::Done);
    assert_eq!(one.compactions(), 1);
    selling.await.unwrap();
    assert!(one.parts.replica.store.scrub().unwrap().is_clean());
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_told_to_stop_changes_nothing_and_is_asked_still() {
    let cluster = Cluster::over_quic(1).await;
    let mut one = One::new(&cluster, 1);
    one.look().await;
    one.compactor.ask();
    let stop = CancellationToken::new();
    // It was counted before, so it is the copying that is broken off.
    one.memory.counted = Some(super::Counted::now(1, 1, 1 << 20, None));
    stop.cancel();
    let look = one.compactor.look(&one.parts, &mut one.memory, &stop).await.unwrap();
    assert!(matches!(look, Look::Later(why) if why.contains("broken off")));
    assert_eq!(one.compactions(), 0);
    assert_eq!(one.look().await, Look::Done);
    assert_eq!(one.compactions(), 1);
    cluster.close().await;
}
