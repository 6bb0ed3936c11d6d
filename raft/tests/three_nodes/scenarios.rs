//! Single faults, told step by step.

use std::{future::Future, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use net::sim::Random;
use raft::{Consistency, Host, ReadError, SubmitError};
use tokio::task::LocalSet;

use crate::{
    cluster::{Cluster, NODES, seconds, within},
    invariants::digests_agree,
    journal::{line, lines},
};

pub fn simulate(seed: u64, scenario: impl Future<Output = ()>) {
    raft::seed_this_thread(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, scenario);
}

pub async fn write(host: &Host, count: u64) -> u64 {
    let mut last = 0;
    for n in 0..count {
        let command = Bytes::copy_from_slice(&n.to_be_bytes());
        last = host.submit(command, seconds(5)).await.unwrap().index;
    }
    last
}

/// A follower and the leader of a cluster.
pub async fn roles(cluster: &Cluster) -> (u64, u64) {
    let leader = cluster.leader(seconds(10)).await;
    (leader, NODES.into_iter().find(|id| *id != leader).unwrap())
}

#[test]
fn a_node_behind_the_purged_log_gets_a_snapshot() {
    simulate(1, async {
        let mut random = Random::new(1);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        cluster.crash(follower, &mut random).await;
        let last = write(&cluster.host(leader).unwrap(), 300).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(cluster.host(leader).unwrap().status().purged_index > 200);
        cluster.boot(follower).await;
        let host = cluster.host(follower).unwrap();
        host.read(Consistency::Local, Some(last), seconds(20)).await.unwrap();
        assert!(cluster.installs.load(Relaxed) > 0);
        assert_eq!(lines(&host), lines(&cluster.host(leader).unwrap()));
        digests_agree::check(&[host.clone(), cluster.host(leader).unwrap()]);
        // What was installed is durable: a crash right after does not undo it.
        cluster.crash(follower, &mut random).await;
        cluster.boot(follower).await;
        let host = cluster.host(follower).unwrap();
        host.read(Consistency::Local, Some(last), seconds(20)).await.unwrap();
        cluster.shutdown().await;
    });
}

/// A large state over a bad line would never arrive if each attempt began at the beginning.
#[test]
fn a_snapshot_that_is_cut_off_goes_on_where_it_was() {
    const COMMANDS: u64 = 120;
    const COMMAND_BYTES: u64 = 100_000;
    const CUT_AFTER_FRAMES: u64 = 20;
    simulate(6, async {
        let mut random = Random::new(6);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        cluster.crash(follower, &mut random).await;
        let host = cluster.host(leader).unwrap();
        let mut last = 0;
        for number in 0..COMMANDS {
            let command = Bytes::from(vec![number as u8; COMMAND_BYTES as usize]);
            last = host.submit(command, seconds(5)).await.unwrap().index;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(host.status().purged_index > 40, "{:?}", host.status());

        // A window of frames takes this long, so that there is a middle in which to cut.
        cluster.network.set_delay(Duration::from_millis(20), Duration::from_millis(20));
        cluster.boot(follower).await;
        let transfers = cluster.transfers.clone();
        let frames = || transfers.frames.load(Relaxed);
        let resumed_and_installed = || (transfers.resumed.load(Relaxed), cluster.installs.load(Relaxed));
        let (deadline, (_, installed)) = (seconds(20), resumed_and_installed());
        while frames() < CUT_AFTER_FRAMES {
            assert!(tokio::time::Instant::now() < deadline, "no snapshot is on its way");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let others: Vec<u64> = NODES.into_iter().filter(|id| *id != follower).collect();
        cluster.network.cut(&[follower], &others);
        // Both sides give up on the channel after 15 s; the leader keeps the export for 30 s.
        tokio::time::sleep(Duration::from_secs(17)).await;
        assert_eq!(resumed_and_installed(), (0, installed), "it was not cut off in the middle");
        let arrived = transfers.bytes.load(Relaxed);
        cluster.network.heal();
        let host = cluster.host(follower).unwrap();
        host.read(Consistency::Local, Some(last), seconds(25)).await.unwrap();
        assert_eq!(resumed_and_installed(), (1, installed + 1));
        // What had arrived was not sent again.
        let (all, state) = (transfers.bytes.load(Relaxed), COMMANDS * COMMAND_BYTES);
        assert!(
            arrived > state / 8 && all < state + state / 16,
            "{arrived} and then {all} bytes for {state}"
        );
        assert_eq!(lines(&host), lines(&cluster.host(leader).unwrap()));
        digests_agree::check(&[host.clone(), cluster.host(leader).unwrap()]);
        cluster.shutdown().await;
    });
}

#[test]
fn the_lead_moves_when_asked_and_when_the_leader_dies() {
    simulate(2, async {
        let mut random = Random::new(2);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        cluster.host(leader).unwrap().transfer_leader(follower, seconds(2)).await.unwrap();
        assert_eq!(cluster.current_leader(), Some(follower));
        let term = cluster.host(follower).unwrap().status().term;
        write(&cluster.host(follower).unwrap(), 10).await;
        cluster.crash(follower, &mut random).await;
        let next = cluster.leader(seconds(5)).await;
        assert!(cluster.host(next).unwrap().status().term > term);
        write(&cluster.host(next).unwrap(), 10).await;
        cluster.shutdown().await;
    });
}

#[test]
fn without_a_majority_nothing_is_promised() {
    simulate(3, async {
        let mut random = Random::new(3);
        let cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        let others: Vec<u64> = NODES.into_iter().filter(|id| *id != leader).collect();
        cluster.network.cut(&[leader], &others);
        let host = cluster.host(leader).unwrap();
        let first = host.submit(Bytes::from_static(b"early"), within(Duration::from_millis(300))).await;
        assert!(matches!(first, Err(SubmitError::OutcomeUnknown { .. })), "{first:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let later = host.submit(Bytes::from_static(b"late"), within(Duration::from_secs(1))).await;
        assert!(
            matches!(later, Err(SubmitError::NoQuorum | SubmitError::NotLeader { leader: Some(_) })),
            "{later:?}"
        );
        for consistency in [Consistency::Linearizable, Consistency::Lease] {
            let read = host.read(consistency, None, within(Duration::from_secs(1))).await;
            assert!(matches!(read, Err(ReadError::NoQuorum | ReadError::NotLeader { .. })), "{read:?}");
        }
        host.read(Consistency::Local, None, within(Duration::from_millis(1))).await.unwrap();
        // The other side elected somebody and goes on; afterwards the old leader follows.
        let next = loop {
            match cluster.current_leader() {
                Some(id) if id != leader => break id,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let last = write(&cluster.host(next).unwrap(), 20).await;
        cluster.network.heal();
        host.read(Consistency::Local, Some(last), seconds(10)).await.unwrap();
        assert_eq!(lines(&host), lines(&cluster.host(next).unwrap()));
        let _ = follower;
        cluster.shutdown().await;
    });
}

#[test]
fn any_node_gives_linearizable_reads() {
    simulate(4, async {
        let mut random = Random::new(4);
        let cluster = Cluster::start(&mut random).await;
        let (leader, _) = roles(&cluster).await;
        for round in 1..=20u64 {
            let last = write(&cluster.host(leader).unwrap(), round % 3 + 1).await;
            for (_, host) in cluster.hosts() {
                let consistency = [Consistency::Linearizable, Consistency::Lease][round as usize % 2];
                let index = host.read(consistency, None, seconds(2)).await.unwrap();
                assert!(index >= last);
                assert_eq!(lines(&host).last().map(|(index, _)| *index), Some(last));
            }
        }
        cluster.shutdown().await;
    });
}

/// In the time of the simulation, in which a sync takes 50 ms and everything else next to nothing.
#[test]
fn those_who_wait_together_share_syncs_and_round_trips() {
    simulate(29, async {
        let mut random = Random::new(29);
        let cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        let (leader, follower) = (cluster.host(leader).unwrap(), cluster.host(follower).unwrap());
        for id in NODES {
            cluster.set_sync_time(id, Duration::from_millis(50));
        }
        let submit = async || drop(leader.submit(Bytes::from_static(b"order"), seconds(30)).await.unwrap());
        let read = async || {
            follower.read(Consistency::Linearizable, None, seconds(30)).await.unwrap();
        };
        let (one, many) = (together(1, submit).await, together(64, submit).await);
        assert!(many < one * 5, "{one:?} for one command, {many:?} for 64");
        // The first one waits for the commands to arrive.
        read().await;
        let (one, many) = (together(1, read).await, together(100, read).await);
        assert!(many < one * 5, "{one:?} for one read, {many:?} for 100");
        cluster.shutdown().await;
    });
}

/// How long it takes until so many that ask at once have their answers.
async fn together(count: usize, ask: impl AsyncFn()) -> Duration {
    let began = tokio::time::Instant::now();
    futures::future::join_all((0..count).map(|_| ask())).await;
    began.elapsed()
}

/// A command can be committed by the two followers before the leader's own disk has it. If power fails then, the
/// leader comes back without it and must not give its id to another.
#[test]
fn a_leader_that_lost_the_end_of_its_log_does_not_write_it_anew() {
    simulate(5, async {
        let mut random = Random::new(5);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, _) = roles(&cluster).await;
        let host = cluster.host(leader).unwrap();
        write(&host, 5).await;
        for id in NODES {
            let slow = if id == leader { Duration::from_secs(2) } else { Duration::from_millis(1) };
            cluster.set_sync_time(id, slow);
        }
        let done = host.submit(Bytes::from_static(b"acknowledged"), within(Duration::from_secs(1))).await;
        let acknowledged = done.unwrap().index;
        drop(host);
        cluster.blackout_losing_everything(&mut random).await;
        cluster.set_sync_time(leader, Duration::from_millis(1));
        cluster.boot(leader).await;
        // Were it to lead again at once, it would take this one in.
        let _ = cluster
            .host(leader)
            .unwrap()
            .submit(Bytes::from_static(b"another"), within(Duration::from_millis(100)))
            .await;
        for id in NODES.into_iter().filter(|id| *id != leader) {
            cluster.boot(id).await;
        }
        let next = cluster.leader(seconds(10)).await;
        let last = write(&cluster.host(next).unwrap(), 3).await;
        for (id, host) in cluster.hosts() {
            host.read(Consistency::Local, Some(last), seconds(10)).await.unwrap();
            let found = line(&host, acknowledged).map(|line| line.command);
            assert_eq!(found.as_deref(), Some(b"acknowledged".as_slice()), "on node {id}");
        }
        cluster.shutdown().await;
    });
}
