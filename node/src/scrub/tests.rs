use std::path::Path;
use std::time::Duration;

use shop::{Actor, tables};
use storage::{Batch, Direction, Engine, KeyRange, SledEngine};
use tokio_util::sync::CancellationToken;

use super::{AFTER_CRASH, Parts, damaged, first_pause, scrub};
use crate::config::Storage as Settings;
use crate::fence::Reason;
use crate::rejoin;
use crate::replica::tests::cluster::{Cluster, LIMIT, category, until};
use crate::telemetry::Metrics;

fn parts(cluster: &Cluster, node: u64) -> Parts {
    Parts {
        replica: cluster.replica(node).clone(),
        clock: cluster.clock(node),
        settings: Settings::default(),
        metrics: Metrics::new().unwrap(),
        root: cluster.directory(node).root().to_path_buf(),
    }
}

/// Loses a category of a node that is stopped, as a disk does: beneath the store, whose digests do not hear of it.
async fn lose_a_record(state: &Path) {
    let generation = std::fs::read_to_string(state.join("CURRENT")).unwrap();
    let files = state.join(generation.trim());
    let mut opened = None;
    until("the engine stays open", || {
        opened = SledEngine::open(&files, 8 << 20).ok();
        opened.is_some()
    })
    .await;
    let engine = opened.unwrap();
    let range = KeyRange { start: vec![tables::CATEGORIES], end: Some(vec![tables::CATEGORIES + 1]) };
    let (key, _) = engine.scan(range, Direction::Forward).next().unwrap().unwrap();
    let mut batch = Batch::default();
    batch.delete(key);
    engine.commit(batch).unwrap();
    engine.flush().unwrap();
}

/// A node whose record is lost while it is stopped.
async fn damage(cluster: &mut Cluster, node: u64) {
    cluster.stop(node).await;
    // Closed, so that the record is in the engine's own files.
    let state = cluster.directory(node).state();
    until("the state stays open", || {
        std::fs::read_to_string(state.join("FORMAT")).is_ok_and(|format| format == "state 1\n")
    })
    .await;
    lose_a_record(&state).await;
    cluster.restart(node).await;
    cluster.replica(node).ready(LIMIT).await.unwrap();
}

#[test]
fn it_comes_soon_after_a_crash_and_never_when_told_so() {
    let check = |scrub_every_hours, was_closed, expect: Option<Duration>| {
        let settings = Settings { scrub_every_hours, ..Settings::default() };
        assert_eq!(first_pause(&settings, was_closed), expect);
    };
    check(24, true, Some(Duration::from_secs(86_400)));
    check(24, false, Some(AFTER_CRASH));
    check(0, true, None);
    check(0, false, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_follower_is_taken_out_of_service_and_comes_back_with_a_copy() {
    let mut cluster = Cluster::over_quic(3).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let made = cluster.replica(leader).proposer.run(Actor::System, category("tea")).await.unwrap();
    let stop = CancellationToken::new();
    let replica = cluster.replica(follower).clone();
    until("it does not follow", || replica.host.status().applied_index >= made.index).await;
    drop(replica);
    let whole = parts(&cluster, follower);
    assert!(scrub(&whole, &stop).await.unwrap().unwrap().is_clean());
    let text = whole.metrics.render().unwrap();
    assert!(text.contains("shopnode_scrub_damaged_tables 0\n"), "{text}");
    assert!(!text.contains("shopnode_scrub_last_end_timestamp_seconds 0\n"), "{text}");
    drop(whole);

    damage(&mut cluster, follower).await;
    let parts = parts(&cluster, follower);
    let report = scrub(&parts, &stop).await.unwrap().unwrap();
    assert_eq!(report.damaged_tables(), [tables::CATEGORIES]);
    // The digests that it tells are those of the others: nobody outvotes it.
    assert!(
        parts.replica.fence.look(&parts.replica, cluster.directory(follower), &parts.metrics).await.is_none()
    );
    let reason = damaged(&parts, &report, &stop).await.unwrap();
    assert_eq!(reason, Some(Reason::Damaged { tables: vec![tables::CATEGORIES] }));
    assert!(parts.replica.unready().iter().any(|why| why.starts_with(crate::fence::MARK)));
    let text = parts.metrics.render().unwrap();
    assert!(
        text.contains("shopnode_scrub_damaged_tables 1\n") && text.contains("shopnode_fenced 1\n"),
        "{text}"
    );
    assert!(rejoin::pending(&parts.root).unwrap().is_some());
    drop(parts);

    cluster.stop(follower).await;
    cluster.restart(follower).await;
    let replica = cluster.replica(follower);
    assert!(replica.took_copy && replica.store.scrub().unwrap().is_clean());
    replica.ready(LIMIT).await.unwrap();
    cluster.close().await;
}

/// Those who are left could not go on without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_node_stays_while_no_majority_could_replace_it() {
    let mut cluster = Cluster::over_quic(3).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    cluster.replica(leader).proposer.run(Actor::System, category("tea")).await.unwrap();
    let third = cluster.ids().find(|id| ![leader, follower].contains(id)).unwrap();
    cluster.stop(third).await;
    let parts = parts(&cluster, follower);
    let fence = &parts.replica.fence;
    // An answer is remembered for a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(fence.close_damaged(&[0x20], &parts.replica, &parts.root, &parts.metrics).await, None);
    assert!(fence.reason().is_none() && rejoin::pending(&parts.root).unwrap().is_none());
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_it_is_a_fault_that_ends_the_node() {
    let mut cluster = Cluster::over_quic(1).await;
    cluster.replica(1).proposer.run(Actor::System, category("tea")).await.unwrap();
    damage(&mut cluster, 1).await;
    let (parts, stop) = (parts(&cluster, 1), CancellationToken::new());
    let report = scrub(&parts, &stop).await.unwrap().unwrap();
    let fault = damaged(&parts, &report, &stop).await.unwrap_err();
    assert_eq!(fault.code(), "storage_digest_mismatch");
    assert!(parts.replica.fence.reason().is_none());
    drop(parts);
    cluster.close().await;
}
