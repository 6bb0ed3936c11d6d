//! What was written through one node is read at another.

use shop::Actor;
use shop::catalog;
use storage::Scope;

use super::cluster::{Cluster, LIMIT, category};

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
