//! A follower whose state went another way is outvoted, fences itself, and comes back with the leader's copy.

use shop::tables;
use shop::{Actor, broker};
use storage::{Scope, Store, Table};

use super::cluster::{Cluster, category, until};
use crate::fence::Reason;
use crate::rejoin;
use crate::telemetry::Metrics;

/// Changes one record of a node that is stopped, as a wrong apply would: with its digest.
fn corrupt(state: &std::path::Path) {
    let store = Store::open_dir(state, 8 << 20).unwrap();
    let mut txn = store.begin();
    txn.set_scope(Scope(1));
    let settings = broker::Settings { store_name: "another".to_owned(), ..broker::Settings::default() };
    txn.put::<broker::SettingsTable>(&(), &settings).unwrap();
    store.commit(txn).unwrap();
    store.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outvoted_follower_fences_itself_and_comes_back_with_a_copy() {
    let mut cluster = Cluster::over_quic(3).await;
    let metrics = Metrics::new().unwrap();
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    cluster.replica(leader).proposer.run(Actor::System, category("tea")).await.unwrap();
    cluster.stop(follower).await;
    until("the state stays open", || Store::open_dir(&cluster.directory(follower).state(), 8 << 20).is_ok())
        .await;
    corrupt(&cluster.directory(follower).state());
    cluster.restart(follower).await;

    let found = fenced(&cluster, follower, &metrics).await;
    assert_eq!(found.tables(), [broker::SettingsTable::PREFIX]);
    let replica = cluster.replica(follower);
    assert!(
        replica.unready().iter().any(|reason| reason.contains("tables SETTINGS (25)")),
        "{:?}",
        replica.unready()
    );
    // Those who are right stay in service.
    let leader = cluster.leader().await;
    let right = cluster.replica(leader);
    assert!(right.fence.look(right, cluster.directory(leader), &metrics).await.is_none());
    assert!(metrics.render().unwrap().contains("shopnode_fenced 1\n"));
    assert!(rejoin::pending(cluster.directory(follower).root()).unwrap().is_some());

    cluster.stop(follower).await;
    // The others go on: the copy is ahead of everything in the log of the one that asks.
    let leader = cluster.leader().await;
    cluster.replica(leader).proposer.run(Actor::System, category("oolong")).await.unwrap();
    cluster.restart(follower).await;
    let replica = cluster.replica(follower);
    assert!(replica.took_copy);
    assert!(rejoin::pending(cluster.directory(follower).root()).unwrap().is_none());
    let leader = cluster.leader().await;
    let reply = cluster.replica(leader).proposer.run(Actor::System, category("mate")).await.unwrap();
    let (index, replica) = (reply.index, cluster.replica(follower));
    until("it does not catch up", || replica.host.status().applied_index >= index).await;
    let (mine, theirs) = (replica.store.digest(), cluster.replica(leader).store.digest());
    assert_eq!(mine.table(tables::SETTINGS), theirs.table(tables::SETTINGS));
    assert!(mine.differing(&theirs).iter().all(|prefix| *prefix < 0x20), "{:?}", mine.differing(&theirs));
    assert!(replica.fence.look(replica, cluster.directory(follower), &metrics).await.is_none());
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outvoted_leader_answers_nobody_and_hands_over() {
    let mut cluster = Cluster::over_quic(3).await;
    let metrics = Metrics::new().unwrap();
    let astray = cluster.follower().await;
    cluster.stop(astray).await;
    until("the state stays open", || Store::open_dir(&cluster.directory(astray).state(), 8 << 20).is_ok())
        .await;
    corrupt(&cluster.directory(astray).state());
    cluster.restart(astray).await;
    let leads = || cluster.replica(astray).host.status().role == raft::Role::Leader;
    let until_then = tokio::time::Instant::now() + super::cluster::LIMIT;
    while !leads() {
        assert!(tokio::time::Instant::now() < until_then, "it does not lead");
        // Refused until the leader, whoever that is by now, has heard that it is back.
        let leading = cluster.replica(cluster.leader().await);
        let soon = tokio::time::Instant::now() + std::time::Duration::from_secs(2);
        let _ = leading.host.transfer_leader(astray, soon).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    // What it says from its own state is wrong, also to a peer that takes it for the leader.
    let wrong = cluster.replica(astray);
    let term = wrong.host.status().term;
    wrong.fence.shut(Reason::Damaged { tables: vec![broker::SettingsTable::PREFIX] });
    let peer = cluster.running().into_iter().find(|id| *id != astray).unwrap();
    let asked = cluster.replica(peer).proposer.run(Actor::System, category("tea")).await;
    let still_leads = leads() && wrong.host.status().term == term;
    assert!(asked.is_err() || !still_leads, "{asked:?}");

    fenced(&cluster, astray, &metrics).await;
    assert_ne!(cluster.leader().await, astray, "it still leads");
    let right = cluster.replica(cluster.leader().await);
    let reply = right.proposer.run(Actor::System, category("mate")).await.unwrap();
    assert!(reply.result.is_ok(), "{reply:?}");
    cluster.close().await;
}

/// Looks until it is outvoted.
async fn fenced(cluster: &Cluster, id: u64, metrics: &Metrics) -> Reason {
    let began = std::time::Instant::now();
    loop {
        let replica = cluster.replica(id);
        if let Some(reason) = replica.fence.look(replica, cluster.directory(id), metrics).await {
            return reason;
        }
        assert!(began.elapsed() < super::cluster::LIMIT, "it was not outvoted");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}
