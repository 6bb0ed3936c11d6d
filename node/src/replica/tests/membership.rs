//! Orders for members come to any node; the autopilot makes the group what the state says.

use std::collections::BTreeSet;

use net::NodeId;
use shop::cluster::{
    Autopilot as Settings, CreateJoinToken, NodeInfo, Outcome, RedeemJoinToken, RegisterNode, SetAutopilot,
    SetNodeStanding, Standing,
};
use shop::{Actor, Code, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, LIMIT, until};
use crate::autopilot::Autopilot;
use crate::membership::{Membership, Order};
use crate::replica::Replica;

fn voters(replica: &Replica) -> BTreeSet<NodeId> {
    replica.host.status().members.iter().filter(|member| member.voter).map(|member| member.id).collect()
}

async fn order(replica: &Replica, node: NodeId, order: Order) -> Result<(), Code> {
    let membership = Membership::new(replica.clone(), node);
    membership.order(order, Instant::now() + LIMIT).await.map_err(|refusal| refusal.code)
}

async fn run(replica: &Replica, command: impl Into<Command>) -> shop::Outcome {
    replica.proposer.run(Actor::System, command.into()).await.unwrap().result.unwrap()
}

/// Enrols every member as the node that it is, at the address that the group knows.
async fn enrol(cluster: &Cluster) {
    let replica = cluster.replica(1);
    for member in replica.host.status().members {
        let (id, cluster) = (member.id, member.info.cluster);
        let key_sha256 = [id as u8; 32];
        let info = NodeInfo { name: format!("node-{id}"), cluster, ..NodeInfo::default() };
        if id == 1 {
            run(replica, RegisterNode { info, key_sha256 }).await;
            continue;
        }
        redeem(replica, info, key_sha256).await;
    }
}

/// A new node makes use of a token.
async fn redeem(replica: &Replica, info: NodeInfo, key_sha256: [u8; 32]) {
    let secret_sha256 = [9; 32];
    let made = run(replica, CreateJoinToken { secret_sha256, lifetime_ms: 3_600_000 }).await;
    let shop::Outcome::Cluster(Outcome::Token { id: token, .. }) = made else { panic!("{made:?}") };
    run(replica, RedeemJoinToken { token, secret_sha256, info, key_sha256 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_takes_an_order_and_says_why_it_is_refused() {
    let mut cluster = Cluster::over_quic(3).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let third = cluster.ids().find(|id| *id != leader && *id != follower).unwrap();
    let at = cluster.replica(follower).clone();

    assert_eq!(order(&at, follower, Order::Demote { node: third }).await, Ok(()));
    until("the vote was not taken", || voters(&at) == BTreeSet::from([leader, follower])).await;
    assert_eq!(order(&at, follower, Order::Promote { node: third, max_lag: 1_000 }).await, Ok(()));
    assert_eq!(
        order(&at, follower, Order::Promote { node: 9, max_lag: 1_000 }).await,
        Err(Code::MemberUnknown)
    );

    // From where it was given, to the leader, to where it goes.
    assert_eq!(order(&at, follower, Order::Transfer { to: Some(third) }).await, Ok(()));
    assert_eq!(cluster.leader().await, third);
    // The leader takes its own vote away: it hands over, and the next leader does it.
    assert_eq!(order(&at, follower, Order::Demote { node: third }).await, Ok(()));
    until("the vote was not taken", || voters(&at) == BTreeSet::from([leader, follower])).await;
    assert_ne!(cluster.leader().await, third);
    assert_eq!(order(&at, follower, Order::Promote { node: third, max_lag: 1_000 }).await, Ok(()));

    cluster.stop(third).await;
    let lead = cluster.leader().await;
    let other = cluster.running().into_iter().find(|id| *id != lead).unwrap();
    let at = cluster.replica(other).clone();
    until("the stopped one still seems to answer", || {
        let members = cluster.replica(lead).host.status().members;
        members.iter().any(|member| member.id == third && !member.answers)
    })
    .await;
    for refused in
        [Order::Demote { node: other }, Order::MayRemove { node: other }, Order::Remove { node: lead }]
    {
        assert_eq!(order(&at, other, refused).await, Err(Code::QuorumWouldBeLost), "{refused:?}");
    }
    assert_eq!(order(&at, other, Order::Transfer { to: Some(third) }).await, Err(Code::MemberSilent));
    assert_eq!(order(&at, other, Order::Remove { node: third }).await, Ok(()));
    drop(at);
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_autopilot_makes_learners_vote_and_lets_removed_nodes_go() {
    let cluster = Cluster::over_quic(3).await;
    enrol(&cluster).await;
    let settings = Settings { stable_ms: 0, ..Settings::default() };
    run(cluster.replica(1), SetAutopilot { autopilot: settings }).await;
    let lead = cluster.leader().await;
    let replica = cluster.replica(lead).clone();
    let others: Vec<NodeId> = cluster.ids().filter(|id| *id != lead).collect();
    for node in &others {
        assert_eq!(order(&replica, lead, Order::Demote { node: *node }).await, Ok(()));
    }
    assert_eq!(voters(&replica), BTreeSet::from([lead]));
    // One that cannot come in, because it says that it is where another member is, holds up nothing of what follows.
    let taken = replica.host.status().members[0].info.cluster.clone();
    let double = NodeInfo { name: "double".to_owned(), cluster: taken, ..NodeInfo::default() };
    redeem(&replica, double, [99; 32]).await;

    let stop = CancellationToken::new();
    let piloted: Vec<_> = cluster
        .ids()
        .map(|id| tokio::spawn(Autopilot::new(cluster.replica(id).clone()).run(stop.clone())))
        .collect();
    let seen = std::cell::RefCell::new(BTreeSet::new());
    until("the learners do not vote", || {
        let now = voters(&replica);
        seen.borrow_mut().insert(now.len());
        now.len() == 3
    })
    .await;
    assert!(!seen.borrow().contains(&2), "one became two: {seen:?}");

    // A leader that drains hands over.
    run(&replica, SetNodeStanding { id: lead, standing: Standing::Draining }).await;
    until("the lead stays", || others.contains(&replica.host.status().leader.unwrap_or(lead))).await;
    // Removed nodes leave, and nobody brings them back.
    run(&replica, SetNodeStanding { id: lead, standing: Standing::Removed }).await;
    let next = cluster.replica(others[0]).clone();
    until("the removed one is still a member", || {
        next.host.status().members.iter().all(|member| member.id != lead)
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_eq!(voters(&next), others.iter().copied().collect::<BTreeSet<_>>());
    stop.cancel();
    for pilot in piloted {
        pilot.await.unwrap();
    }
    drop((replica, next));
    cluster.close().await;
}
