//! What was written through one node is read at another.

use std::time::Duration;

use shop::Actor;
use shop::catalog;
use storage::Scope;

use super::super::too_old;
use super::cluster::{Cluster, LIMIT, category};
use crate::config::Http;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_with_an_index_is_never_stale() {
    const WRITES: usize = 100;
    let cluster = Cluster::over_quic(3).await;
    for n in 0..WRITES {
        let (writer, reader) = (n as u64 % 3 + 1, (n as u64 + 1) % 3 + 1);
        let slug = format!("c{n}");
        let made = cluster.replica(writer).proposer.run(Actor::System, category(&slug)).await.unwrap();
        let replica = cluster.replica(reader);
        let deadline = tokio::time::Instant::now() + LIMIT;
        // By the index of the write, and as a linearizable read, which finds it out by itself.
        let (consistency, min_index) = match n % 2 {
            0 => (raft::Consistency::Local, Some(made.index)),
            _ => (raft::Consistency::Linearizable, None),
        };
        replica.host.read(consistency, min_index, deadline).await.unwrap();
        let view = replica.store.view().in_scope(Scope(1));
        assert!(catalog::category(&view, &slug.parse().unwrap()).unwrap().is_some(), "write {n}");
    }
    cluster.close().await;
}

#[test]
fn a_node_that_lags_is_not_ready_from_its_limits_on() {
    let limits = Http { ready_max_silence_ms: 2_000, ready_max_lag_entries: 100, ..Http::default() };
    let told = |silence_ms, behind| too_old(Duration::from_millis(silence_ms), behind, &limits);
    assert_eq!(told(2_000, 100), None);
    assert!(told(2_001, 0).is_some_and(|why| why.contains("2001 ms")));
    assert!(told(0, 101).is_some_and(|why| why.contains("101 entries")));
}
