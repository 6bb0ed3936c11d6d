//! Leaders come and go under load, and majorities are lost.

use std::time::{Duration, Instant};

use shop::broker::{self, AcquireLease, Leases};
use shop::catalog::Categories;
use shop::command::Dedupe;
use shop::ids::RequestId;
use shop::{Actor, Outcome};
use storage::{Read, Scope};

use super::cluster::{Cluster, LIMIT, category, until};
use crate::proposer::{ProposeError, Proposer};
use crate::replica::Replica;

/// What a client of one queue has seen: a lease's epoch counts how often the command was carried out.
#[derive(Debug, Default)]
struct Told {
    /// The epochs that were acknowledged.
    epochs: Vec<u64>,
    unknown: usize,
}

/// Takes the lease of a queue again and again. Each command is recognised when it is repeated.
async fn take(proposer: Proposer, queue: String, count: usize) -> Told {
    let mut told = Told::default();
    for _ in 0..count {
        let acquire = AcquireLease { queue: queue.clone(), holder: 1 };
        match proposer.run(Actor::System, acquire.into()).await {
            Ok(reply) => {
                assert!(!reply.replayed, "a retry inside the cluster is no replay to the client");
                match reply.result {
                    Ok(Outcome::Broker(broker::Outcome::Lease(epoch))) => told.epochs.push(epoch),
                    other => panic!("{other:?}"),
                }
            }
            Err(ProposeError::OutcomeUnknown(_)) => told.unknown += 1,
            Err(error) => assert_eq!(error, ProposeError::NoQuorum),
        }
    }
    told
}

fn epoch(replica: &Replica, queue: &str) -> u64 {
    let view = replica.store.view().in_scope(Scope(1));
    view.get::<Leases>(&queue.to_owned()).unwrap().map_or(0, |lease| lease.epoch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_commands_survive_leaders_and_none_is_repeated() {
    const EACH: usize = 60;
    let mut cluster = Cluster::over_quic(3).await;
    // The load comes through nodes that stay; the leader goes.
    let first = cluster.leader().await;
    let stay: Vec<u64> = cluster.ids().filter(|id| *id != first).collect();
    let queues: Vec<(u64, String)> =
        stay.iter().flat_map(|id| (0..3).map(move |task| (*id, format!("n{id}-{task}")))).collect();
    let load = queues
        .iter()
        .map(|(id, queue)| tokio::spawn(take(cluster.replica(*id).proposer.clone(), queue.clone(), EACH)));
    let load: Vec<_> = load.collect();
    let watched = cluster.replica(stay[0]).clone();
    until("the load makes no progress", || epoch(&watched, &queues[0].1) > 5).await;
    cluster.stop(first).await;
    let mut told = Vec::new();
    for task in load {
        told.push(task.await.unwrap());
    }
    cluster.restart(first).await;
    cluster.replica(first).ready(LIMIT).await.unwrap();
    let last = cluster.replica(stay[0]).proposer.run(Actor::System, category("last")).await.unwrap();
    for id in cluster.ids() {
        let replica = cluster.replica(id);
        let deadline = tokio::time::Instant::now() + LIMIT;
        replica.host.read(raft::Consistency::Local, Some(last.index), deadline).await.unwrap();
        for ((_, queue), told) in queues.iter().zip(&told) {
            assert!(told.epochs.is_sorted_by(|a, b| a < b), "{queue}: {:?}", told.epochs);
            let (done, known) = (epoch(replica, queue) as usize, told.epochs.len());
            assert!(done >= known && done <= known + told.unknown, "node {id}, {queue}: {done}, {told:?}");
        }
    }
    // Not a matter of luck: every command has five seconds, an election takes less than one.
    let acknowledged: usize = told.iter().map(|told| told.epochs.len()).sum();
    assert!(acknowledged > EACH * 5, "{acknowledged} acknowledged");
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_every_node_answers_in_time() {
    let (cluster, network) = Cluster::cuttable(3).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().filter(|id| *id != leader).collect();
    network.cut(&[1], &[2, 3]);
    network.cut(&[2], &[3]);
    let limit = Duration::from_millis(1_800);
    let answers = cluster.ids().map(|id| {
        let replica = cluster.replica(id).clone();
        tokio::spawn(async move {
            let proposer = &replica.proposer;
            let request = RequestId([id as u8; 16]);
            let dedupe = Dedupe::Request;
            let envelope = proposer.envelope(request, Actor::System, dedupe, category(&format!("c{id}")));
            let began = Instant::now();
            let error = proposer.submit(&envelope, began + limit).await.unwrap_err();
            (id, error, began.elapsed())
        })
    });
    for answer in futures::future::join_all(answers).await {
        let (id, error, took) = answer.unwrap();
        // The deadline is kept with room for a machine that is busy.
        assert!(took < limit + Duration::from_secs(5), "node {id} took {took:?}");
        assert!(matches!(error, ProposeError::NoQuorum | ProposeError::OutcomeUnknown(_)), "{id}: {error:?}");
    }
    // By now everybody knows that it is alone, and says that nothing was proposed.
    for id in &others {
        let proposer = &cluster.replica(*id).proposer;
        until("the silence is not noticed", || !cluster.replica(*id).host.is_in_touch()).await;
        let refused = proposer.run(Actor::System, category("late")).await;
        assert_eq!(refused, Err(ProposeError::NoQuorum), "node {id}");
        let deadline = tokio::time::Instant::now() + limit;
        let host = &cluster.replica(*id).host;
        let read = host.read(raft::Consistency::Linearizable, None, deadline).await;
        assert_eq!(read, Err(raft::ReadError::NoQuorum), "node {id}");
        host.read(raft::Consistency::Local, None, deadline).await.unwrap();
    }
    network.heal();
    let healed = cluster.replica(others[0]).proposer.clone();
    let began = Instant::now();
    while healed.run(Actor::System, category("healed")).await.is_err() {
        assert!(began.elapsed() < LIMIT, "it does not heal");
    }
    // What was refused as not accepted never happened.
    let reply = healed.run(Actor::System, category("end")).await.unwrap();
    let replica = cluster.replica(others[0]);
    let deadline = tokio::time::Instant::now() + LIMIT;
    replica.host.read(raft::Consistency::Local, Some(reply.index), deadline).await.unwrap();
    let view = replica.store.view().in_scope(Scope(1));
    assert!(view.get::<Categories>(&"late".parse().unwrap()).unwrap().is_none());
    drop(view);
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nobody_speaks_to_is_not_ready() {
    let mut cluster = Cluster::over_quic(3).await;
    let follower = cluster.follower().await;
    cluster.replica(follower).ready(LIMIT).await.unwrap();
    for id in cluster.ids().collect::<Vec<_>>() {
        cluster.stop(id).await;
    }
    // Its files name a leader and count it as a member; the others may think otherwise by now.
    cluster.restart(follower).await;
    for _ in 0..100 {
        assert!(!cluster.replica(follower).unready().is_empty());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.close().await;
}

/// A leader that cannot be heard is sent nothing: for a command to get there the channel has to be open before the cut.
async fn open_the_way(proposer: &Proposer) {
    let acquire = AcquireLease { queue: "way".into(), holder: 1 };
    assert!(proposer.run(Actor::System, acquire.into()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_answer_was_lost_with_its_leader_is_not_repeated() {
    let (cluster, network) = Cluster::cuttable(3).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().filter(|id| *id != leader).collect();
    let (asks, follows) = (others[0], others[1]);
    let proposer = cluster.replica(asks).proposer.clone();
    open_the_way(&proposer).await;
    let acquire = AcquireLease { queue: "q".into(), holder: asks };
    let dedupe = Dedupe::Request;
    let envelope = proposer.envelope(RequestId([1; 16]), Actor::System, dedupe, acquire.into());
    // The command reaches the leader and is committed there and at the other follower; the answer does not come back.
    network.cut_one_way(leader, asks);
    let submitted = tokio::spawn(async move { proposer.submit(&envelope, Instant::now() + LIMIT).await });
    let other = cluster.replica(follows).clone();
    until("it is not carried out", || epoch(&other, "q") == 1).await;
    assert!(!submitted.is_finished());
    network.cut(&[leader], &others);
    let reply = submitted.await.unwrap().unwrap();
    assert_eq!(reply.result, Ok(Outcome::Broker(broker::Outcome::Lease(1))));
    assert!(!reply.replayed, "it is the first answer to this request");
    assert_eq!(epoch(&other, "q"), 1);
    network.heal();
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_inside_the_cluster_is_told_from_an_earlier_request_with_the_same_key() {
    let (cluster, network) = Cluster::cuttable(3).await;
    let key = Dedupe::Key { scope: [7; 32], fingerprint: [8; 32] };
    let asked = |proposer: Proposer, request: u8| {
        let envelope =
            proposer.envelope(RequestId([request; 16]), Actor::System, key.clone(), category("tea"));
        tokio::spawn(async move { proposer.submit(&envelope, Instant::now() + LIMIT).await })
    };
    // Twice: at first the outcome that comes back is of the request's own first attempt, then of the request before.
    for (request, replayed) in [(1, false), (2, true)] {
        let leader = cluster.leader().await;
        let others: Vec<u64> = cluster.ids().filter(|id| *id != leader).collect();
        let (asks, follows) = (others[0], cluster.replica(others[1]).clone());
        open_the_way(&cluster.replica(asks).proposer).await;
        // Everything so far is applied there, so that what comes next is this command.
        let deadline = tokio::time::Instant::now() + LIMIT;
        follows.host.read(raft::Consistency::Linearizable, None, deadline).await.unwrap();
        let before = follows.host.status().applied_index;
        network.cut_one_way(leader, asks);
        let submitted = asked(cluster.replica(asks).proposer.clone(), request);
        until("it is not carried out", || follows.host.status().applied_index > before).await;
        assert!(!submitted.is_finished());
        network.cut(&[leader], &others);
        let reply = submitted.await.unwrap().unwrap();
        assert!(reply.result.is_ok());
        assert_eq!(reply.replayed, replayed, "request {request}");
        network.heal();
    }
    cluster.close().await;
}
