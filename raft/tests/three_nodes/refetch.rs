//! A node whose state is wrong or gone, and whose log is whole, takes a copy before it takes part again.

use std::time::Duration;

use net::sim::Random;
use raft::{Consistency, Refetch};
use storage::{Table, versioned};

use crate::{
    cluster::{Cluster, NODES, seconds},
    invariants::digests_agree,
    journal::lines,
    scenarios::{roles, simulate, write},
};

/// A record that nobody else has.
struct Planted;

impl Table for Planted {
    const PREFIX: u8 = 0x7e;
    const NAME: &'static str = "planted";
    type Key = u8;
    type Value = Byte;
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Byte(u8);
versioned!(Byte, 1);

fn plan(cluster: &Cluster, of: u64) -> Option<Refetch> {
    let _ = cluster;
    let peers = NODES.into_iter().filter(|id| *id != of).map(|id| (id, format!("sim:{id}"))).collect();
    Some(Refetch { peers, limit: Duration::from_secs(30) })
}

#[test]
fn a_state_that_went_another_way_is_replaced_and_the_log_stays() {
    simulate(31, async {
        let mut random = Random::new(31);
        let mut cluster = Cluster::start(&mut random).await;
        let (leader, follower) = roles(&cluster).await;
        write(&cluster.host(leader).unwrap(), 30).await;
        cluster.stop(follower).await;
        let store = cluster.state(follower).open().unwrap();
        let mut txn = store.begin();
        txn.insert::<Planted>(&1, &Byte(1)).unwrap();
        store.commit(txn).unwrap();
        store.flush().unwrap();
        drop(store);
        // Started as it is, it goes on with it: only the digest tells.
        cluster.boot(follower).await;
        let last = write(&cluster.host(leader).unwrap(), 40).await;
        let host = cluster.host(follower).unwrap();
        host.read(Consistency::Local, Some(last), seconds(20)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (own, theirs) = (host.digests(), cluster.host(leader).unwrap().digests());
        let same = own.iter().find_map(|(at, mine)| {
            let (_, other) = theirs.iter().find(|(index, _)| index == at)?;
            Some(mine.differing(other))
        });
        assert_eq!(same, Some(vec![Planted::PREFIX]));
        drop(host);
        cluster.stop(follower).await;
        cluster.boot_with(follower, plan(&cluster, follower)).await;
        let last = write(&cluster.host(leader).unwrap(), 40).await;
        let host = cluster.host(follower).unwrap();
        host.read(Consistency::Local, Some(last), seconds(20)).await.unwrap();
        assert_eq!(lines(&host), lines(&cluster.host(leader).unwrap()));
        assert_eq!(host.view().digests().table(Planted::PREFIX).count, 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        digests_agree::check(&[host, cluster.host(leader).unwrap()]);
        cluster.shutdown().await;
    });
}

#[test]
fn a_lost_state_comes_back_and_what_was_acknowledged_is_not_forgotten() {
    for seed in 40..48 {
        simulate(seed, async {
            let mut random = Random::new(seed);
            let mut cluster = Cluster::start(&mut random).await;
            let (leader, follower) = roles(&cluster).await;
            // Enough that the follower's log begins somewhere in the middle.
            write(&cluster.host(leader).unwrap(), 200).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            cluster.crash(follower, &mut random).await;
            cluster.lose_state(follower);
            let before = write(&cluster.host(leader).unwrap(), random.below(80)).await;
            cluster.boot_with(follower, plan(&cluster, follower)).await;
            let last = write(&cluster.host(leader).unwrap(), 10).await.max(before);
            let host = cluster.host(follower).unwrap();
            host.read(Consistency::Local, Some(last), seconds(20)).await.unwrap();
            // It votes and leads again as any other.
            let third = NODES.into_iter().find(|id| ![leader, follower].contains(id)).unwrap();
            cluster.crash(leader, &mut random).await;
            let next = cluster.leader(seconds(20)).await;
            let last = write(&cluster.host(next).unwrap(), 5).await;
            for id in [follower, third] {
                let host = cluster.host(id).unwrap();
                host.read(Consistency::Local, Some(last), seconds(20)).await.unwrap();
            }
            let (one, other) = (cluster.host(follower).unwrap(), cluster.host(third).unwrap());
            assert_eq!(lines(&one), lines(&other), "seed {seed}");
            cluster.shutdown().await;
        });
    }
}
