//! A leader whose clock is not that of the others hands over.

use std::time::Duration;

use raft::Role;
use tokio_util::task::AbortOnDropHandle;

use super::cluster::{Cluster, LIMIT, until};
use crate::telemetry::Metrics;
use crate::timekeeping::Timekeeping;

/// Compares often, so that the test is over soon.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn compare(cluster: &Cluster, id: u64, metrics: &Metrics) -> AbortOnDropHandle<()> {
    let keeping = Timekeeping::new(cluster.replica(id).clone(), cluster.clock(id), metrics.clone());
    AbortOnDropHandle::new(tokio::spawn(keeping.run(LOOK_EVERY)))
}

async fn lead(cluster: &Cluster, id: u64) {
    let leader = cluster.replica(cluster.leader().await).host.clone();
    let deadline = tokio::time::Instant::now() + LIMIT;
    leader.transfer_leader(id, deadline).await.unwrap();
    until("it does not lead", || cluster.replica(id).host.status().role == Role::Leader).await;
}

fn value(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.render().unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_with_a_wrong_clock_hands_over() {
    for (ahead_ms, goes) in [(3_000, false), (-3_000, false), (20_000, true), (-20_000, true)] {
        let mut cluster = Cluster::over_quic(3).await;
        let off = cluster.follower().await;
        cluster.stop(off).await;
        cluster.restart_with_clock(off, ahead_ms).await;
        cluster.replica(off).ready(LIMIT).await.unwrap();
        lead(&cluster, off).await;
        let metrics = Metrics::new().unwrap();
        let _comparing = compare(&cluster, off, &metrics);
        let host = cluster.replica(off).host.clone();
        if goes {
            until("it goes on to lead", || host.leader().is_some_and(|leader| leader != off)).await;
        } else {
            until("it does not compare", || value(&metrics, "shopnode_clocks_compared ") == 3.0).await;
            tokio::time::sleep(LOOK_EVERY * 20).await;
            assert_eq!(host.leader(), Some(off), "{ahead_ms}");
        }
        let offset = value(&metrics, "shopnode_clock_offset_seconds ") * 1_000.0;
        assert!((offset - ahead_ms as f64).abs() < 1_500.0, "{offset} of {ahead_ms}");
        cluster.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clocks_are_too_few() {
    let mut cluster = Cluster::over_quic(2).await;
    cluster.stop(2).await;
    cluster.restart_with_clock(2, 20_000).await;
    cluster.replica(2).ready(LIMIT).await.unwrap();
    lead(&cluster, 2).await;
    let metrics = Metrics::new().unwrap();
    let _comparing = compare(&cluster, 2, &metrics);
    until("it does not compare", || value(&metrics, "shopnode_clocks_compared ") == 2.0).await;
    tokio::time::sleep(LOOK_EVERY * 20).await;
    assert_eq!(cluster.replica(2).host.leader(), Some(2));
    cluster.close().await;
}
