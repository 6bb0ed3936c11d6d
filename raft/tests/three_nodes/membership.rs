//! Members come and go, and the lead moves: never so that the group could not go on.

use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use net::sim::Random;
use raft::{Consistency, Host, MembershipError, NodeInfo, SubmitError};

use crate::{
    cluster::{Cluster, NODES, info, seconds, within},
    journal::lines,
    scenarios::{roles, simulate, write},
};

/// What a refused change says.
fn code(result: Result<(), MembershipError>) -> &'static str {
    result.map_or_else(|error| error.code(), |()| "done")
}

fn voters(host: &Host) -> BTreeSet<u64> {
    host.status().members.iter().filter(|member| member.voter).map(|member| member.id).collect()
}

fn members(host: &Host) -> BTreeSet<u64> {
    host.status().members.iter().map(|member| member.id).collect()
}

#[test]
fn the_lead_goes_only_to_a_voter_that_can_take_it() {
    simulate(21, async {
        let mut random = Random::new(21);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        let host = cluster.host(leader).unwrap();
        assert_eq!(code(host.transfer_leader(9, seconds(2)).await), "member_unknown");
        assert_eq!(code(host.transfer_leader(leader, seconds(2)).await), "done");
        let elsewhere = cluster.host(follower).unwrap();
        assert_eq!(code(elsewhere.transfer_leader(follower, seconds(2)).await), "not_leader");
        cluster.install(4, &mut random).await;
        host.add_learner(4, info(4), seconds(5)).await.unwrap();
        assert_eq!(code(host.transfer_leader(4, seconds(2)).await), "member_not_voter");
        cluster.crash(follower, &mut random).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(code(host.transfer_leader(follower, seconds(2)).await), "member_silent");
        // Nothing was begun: it leads on.
        write(&host, 3).await;
        assert_eq!(cluster.current_leader(), Some(leader));
        assert_eq!(cluster.transfers.leads.load(Relaxed), 0);
        cluster.shutdown().await;
    });
}

#[test]
fn a_leader_that_stops_hands_over_first() {
    simulate(22, async {
        let mut random = Random::new(22);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, _) = roles(&cluster).await;
        write(&cluster.host(leader).unwrap(), 20).await;
        cluster.stop(leader).await;
        assert_eq!(cluster.transfers.leads.load(Relaxed), 1);
        // Without an election timeout: whoever leads now has been asked to.
        let next = cluster.current_leader().expect("somebody leads already");
        assert_ne!(next, leader);
        write(&cluster.host(next).unwrap(), 5).await;
        cluster.boot(leader).await;
        // The last one of three that is left has nobody to hand over to, and still stops.
        for id in NODES {
            let stopping = tokio::time::Instant::now();
            cluster.stop(id).await;
            assert!(stopping.elapsed() < Duration::from_secs(5), "node {id} stops slowly");
        }
    });
}

#[test]
fn nobody_leaves_whom_the_rest_needs() {
    simulate(23, async {
        let mut random = Random::new(23);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        let dead = NODES.into_iter().find(|id| *id != leader && *id != follower).unwrap();
        let host = cluster.host(leader).unwrap();
        cluster.crash(dead, &mut random).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(code(host.demote(follower, seconds(2)).await), "quorum_would_be_lost");
        assert_eq!(code(host.remove(follower, seconds(2)).await), "quorum_would_be_lost");
        assert_eq!(
            code(host.set_voters(BTreeSet::from([leader, dead]), seconds(2)).await),
            "quorum_would_be_lost"
        );
        assert_eq!(voters(&host), BTreeSet::from(NODES));
        // The dead one may go: then two are left, and both answer.
        host.remove(dead, seconds(5)).await.unwrap();
        host.remove(dead, seconds(5)).await.unwrap();
        assert_eq!(members(&host), BTreeSet::from([leader, follower]));
        host.demote(follower, seconds(5)).await.unwrap();
        assert_eq!(voters(&host), BTreeSet::from([leader]));
        assert_eq!(code(host.demote(leader, seconds(2)).await), "last_voter");
        assert_eq!(code(host.remove(leader, seconds(2)).await), "last_voter");
        write(&host, 3).await;
        cluster.shutdown().await;
    });
}

#[test]
fn a_node_is_replaced_while_the_group_goes_on() {
    simulate(24, async {
        let mut random = Random::new(24);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, _) = roles(&cluster).await;
        let host = cluster.host(leader).unwrap();
        write(&host, 100).await;
        cluster.install(4, &mut random).await;
        assert_eq!(code(host.promote(4, 10, seconds(2)).await), "member_unknown");
        let taken = NodeInfo { cluster: info(2).cluster, ..info(4) };
        assert_eq!(code(host.add_learner(4, taken, seconds(5)).await), "address_taken");
        cluster.network.cut(&[4], &NODES);
        host.add_learner(4, info(4), seconds(5)).await.unwrap();
        assert_eq!(code(host.promote(4, 10, seconds(2)).await), "member_silent");
        cluster.network.heal();
        let deadline = seconds(20);
        while host.promote(4, 10, seconds(2)).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", host.status());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(voters(&host), BTreeSet::from([1, 2, 3, 4]));
        // The leader itself leaves: it hands over, and the next one completes it.
        let next = match host.remove(leader, seconds(5)).await {
            Err(MembershipError::Submit(SubmitError::NotLeader { leader: Some(next) })) => next,
            other => panic!("{other:?}"),
        };
        let successor = cluster.host(next).unwrap();
        successor.remove(leader, seconds(5)).await.unwrap();
        assert!(!members(&successor).contains(&leader));
        let last = write(&successor, 20).await;
        let newcomer = cluster.host(4).unwrap();
        newcomer.read(Consistency::Local, Some(last), seconds(10)).await.unwrap();
        assert_eq!(lines(&newcomer), lines(&successor));
        // Whoever is out hears nothing any more, and disturbs nobody.
        let term = successor.status().term;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(cluster.host(leader).unwrap().status().applied_index < last);
        assert_eq!((cluster.current_leader(), successor.status().term), (Some(next), term));
        cluster.shutdown().await;
    });
}

#[test]
fn a_member_moves_to_another_address() {
    simulate(25, async {
        let mut random = Random::new(25);
        let cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        let host = cluster.host(leader).unwrap();
        let moved = NodeInfo { cluster: "sim:elsewhere".into(), zone: "b".into(), ..info(follower) };
        host.update_member(follower, moved.clone(), seconds(5)).await.unwrap();
        let last = write(&host, 5).await;
        let told = cluster.host(follower).unwrap();
        told.read(Consistency::Local, Some(last), seconds(10)).await.unwrap();
        let seen = told.status().members.into_iter().find(|member| member.id == follower).unwrap();
        assert_eq!((seen.info, seen.voter), (moved.clone(), true));
        assert_eq!(code(host.update_member(leader, moved, seconds(5)).await), "address_taken");
        assert_eq!(code(host.update_member(9, info(9), seconds(5)).await), "member_unknown");
        cluster.shutdown().await;
    });
}

#[test]
fn a_leader_whose_disk_stalls_steps_aside() {
    simulate(26, async {
        let mut random = Random::new(26);
        let cluster = Cluster::start(&mut random).await;
        let (leader, _) = roles(&cluster).await;
        let host = cluster.host(leader).unwrap();
        write(&host, 5).await;
        let term = host.status().term;
        cluster.set_sync_time(leader, Duration::from_secs(20));
        let started = tokio::time::Instant::now();
        let stalled = host.submit(Bytes::from_static(b"waits"), within(Duration::from_secs(1))).await;
        // The two others commit it, and it is applied here from memory: the command is not lost either way.
        drop(stalled);
        while cluster.current_leader() == Some(leader) {
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", host.status());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let next = cluster.leader(seconds(5)).await;
        let successor = cluster.host(next).unwrap();
        assert_eq!(successor.status().term, term + 1, "one election, by hand-over");
        write(&successor, 5).await;
        cluster.set_sync_time(leader, Duration::from_millis(1));
        cluster.shutdown().await;
    });
}

/// Nobody's command waits for it, since the two others commit: it would, were one of them away.
#[test]
fn a_leader_whose_disk_is_much_slower_than_another_one_steps_aside() {
    simulate(28, async {
        let mut random = Random::new(28);
        let cluster = Cluster::start(&mut random).await;
        let (leader, _) = roles(&cluster).await;
        let host = cluster.host(leader).unwrap();
        // All alike: there is nobody who could do better.
        for id in NODES {
            cluster.set_sync_time(id, Duration::from_millis(250));
        }
        let term = host.status().term;
        let busy = async |limit| {
            let until = tokio::time::Instant::now() + limit;
            while tokio::time::Instant::now() < until && cluster.current_leader() == Some(leader) {
                let _ = host.submit(Bytes::from_static(b"order"), within(Duration::from_secs(2))).await;
                // The disk of the simulation syncs each append by itself: more of them would only queue.
                tokio::time::sleep(Duration::from_millis(260)).await;
            }
        };
        busy(Duration::from_secs(20)).await;
        assert_eq!(cluster.current_leader(), Some(leader), "it left for one that is as slow");
        // A disk of the simulation that becomes faster must have nothing under way.
        tokio::time::sleep(Duration::from_secs(3)).await;
        for id in NODES.into_iter().filter(|id| *id != leader) {
            cluster.set_sync_time(id, Duration::from_millis(1));
        }
        busy(Duration::from_secs(15)).await;
        let next = cluster.leader(seconds(5)).await;
        assert_ne!(next, leader, "it still leads, with the slowest disk");
        assert_eq!(cluster.host(next).unwrap().status().term, term + 1, "one election, by hand-over");
        write(&cluster.host(next).unwrap(), 5).await;
        cluster.set_sync_time(leader, Duration::from_millis(1));
        cluster.shutdown().await;
    });
}

/// The followers hear the leader, so they would never campaign; it hears nobody, so it commits nothing.
#[test]
fn a_leader_that_hears_nobody_falls_silent() {
    simulate(27, async {
        let mut random = Random::new(27);
        let cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        for id in NODES.into_iter().filter(|id| *id != leader) {
            cluster.network.cut_one_way(id, leader);
        }
        let started = tokio::time::Instant::now();
        let others = |cluster: &Cluster| cluster.host(follower).unwrap().status().leader;
        while others(&cluster).is_none_or(|id| id == leader) {
            assert!(started.elapsed() < Duration::from_secs(10), "nobody else was elected");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let next = others(&cluster).unwrap();
        write(&cluster.host(next).unwrap(), 5).await;
        cluster.network.heal();
        cluster.shutdown().await;
    });
}
