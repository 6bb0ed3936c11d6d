//! A command may come to any node.

use std::time::Instant;

use shop::command::{Dedupe, Trace};
use shop::ids::RequestId;
use shop::{Actor, Code, broker};
use storage::Scope;

use super::cluster::{Cluster, LIMIT, category};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_s_command_is_carried_out_once_by_the_leader() {
    let cluster = Cluster::over_quic(3).await;
    let follower = cluster.replica(cluster.follower().await).clone();
    let leader = cluster.replica(cluster.leader().await).clone();
    let trace = Trace { trace_id: [7; 16], span_id: [8; 8], flags: 1 };
    let mut envelope =
        follower.proposer.envelope(RequestId([1; 16]), Actor::System, Dedupe::Request, category("tea"));
    envelope.trace = Some(trace);
    let first = follower.proposer.submit(&envelope, Instant::now() + LIMIT).await.unwrap();
    assert!(first.result.is_ok() && !first.replayed);

    // The same request by another way is answered, not repeated; a guard's refusal comes back as one.
    let second = leader.proposer.submit(&envelope, Instant::now() + LIMIT).await.unwrap();
    assert!(second.replayed);
    assert_eq!((second.index, second.result), (first.index, first.result));
    let refused = follower.proposer.run(Actor::System, category("tea")).await.unwrap();
    assert_eq!(refused.result.unwrap_err().code, Code::AlreadyExists);

    // The envelope made the hop whole: the event is of that request and trace.
    let view = leader.store.view().in_scope(Scope(1));
    let batches: Vec<_> = broker::queries::batches_after(&view, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    assert_eq!((batches[0].1.request, batches[0].1.trace), (RequestId([1; 16]), Some(trace)));
    drop(view);
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_forwarded_is_not_forwarded_again() {
    let cluster = Cluster::over_quic(3).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.ids().filter(|id| *id != leader).collect();
    let from = cluster.replica(others[0]);
    let proposer = &from.proposer;
    let envelope = proposer.envelope(RequestId([1; 16]), Actor::System, Dedupe::Request, category("tea"));
    let deadline = tokio::time::Instant::now() + LIMIT;
    let sent = from.peers.submit(others[1], envelope.encode().unwrap().into(), deadline).await;
    let expect = crate::peers::Refusal::NotLeader { leader: Some(leader) };
    assert_eq!(sent, Err(crate::peers::NotForwarded::Refused(expect)));

    // Bytes that no node can read never get into the log.
    let strange = bytes::Bytes::from_static(&[1, 2, 3]);
    let sent = from.peers.submit(leader, strange, deadline).await;
    assert!(
        matches!(sent, Err(crate::peers::NotForwarded::Refused(crate::peers::Refusal::NotUnderstood(_)))),
        "{sent:?}"
    );
    assert!(from.proposer.run(Actor::System, category("tea")).await.unwrap().result.is_ok());
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_says_how_it_is() {
    let cluster = Cluster::over_quic(3).await;
    let asker = cluster.replica(cluster.follower().await);
    let reply = asker.proposer.run(Actor::System, category("tea")).await.unwrap();
    for (node, report) in asker.peers.statuses(cluster.ids()).await {
        let report = report.unwrap();
        assert_eq!(report.condition.version, env!("CARGO_PKG_VERSION"), "{node}");
        assert!(report.silence_ms.is_some() && report.leader.is_some(), "{node}");
        assert!(report.applied_index <= reply.index.max(report.commit_index));
    }
    assert!(asker.peers.status(9).await.is_err());
    cluster.close().await;
}
