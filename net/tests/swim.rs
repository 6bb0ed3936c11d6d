//! Gossip over the simulated network: who is dead is found out, who is not comes back. Several seeds each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail it")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use net::{
    Gossip, GossipConfig, Liveness, NodeId, Pace, Profile, Transport,
    sim::{SimNetwork, SimTransport},
};
use tokio::time::{Instant, sleep};

const SEEDS: u64 = 8;

struct Cluster {
    network: SimNetwork,
    size: u64,
    nodes: BTreeMap<NodeId, (Arc<SimTransport>, Gossip)>,
}

impl Cluster {
    fn start(seed: u64, size: u64) -> Cluster {
        let mut cluster = Cluster { network: SimNetwork::new(seed), size, nodes: BTreeMap::new() };
        for node in 1..=size {
            cluster.boot(node, 1_000 + seed, seed);
        }
        cluster
    }

    fn boot(&mut self, node: NodeId, started_ms: u64, seed: u64) {
        let transport = self.network.transport(node);
        let address = format!("sim:{node}");
        let config = GossipConfig { node, address, started_ms, pace: Pace::LAN, seed: seed * 100 + node };
        let gossip = Gossip::start(config, transport.clone());
        for other in (1..=self.size).filter(|other| *other != node) {
            gossip.introduce(other, &format!("sim:{other}"));
        }
        self.nodes.insert(node, (transport, gossip));
    }

    /// As kill -9 does.
    async fn kill(&mut self, node: NodeId) {
        let (transport, gossip) = self.nodes.remove(&node).unwrap();
        transport.stop().await;
        drop(gossip);
    }

    fn gossip(&self, node: NodeId) -> &Gossip {
        &self.nodes[&node].1
    }

    fn seen(&self, by: NodeId, of: NodeId) -> Option<Liveness> {
        self.gossip(by).members().borrow().liveness(of)
    }

    /// Waits until every running node sees `of` so; panics after `limit`.
    async fn all_see(&self, of: NodeId, liveness: Liveness, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let seen: Vec<_> = self.nodes.keys().map(|by| (*by, self.seen(*by, of))).collect();
            if seen.iter().all(|(by, seen)| *by == of || *seen == Some(liveness)) {
                return;
            }
            assert!(Instant::now() < deadline, "node {of} should be {liveness:?}, and is seen {seen:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn all_are_alive(&self, limit: Duration) {
        for node in self.nodes.keys() {
            self.all_see(*node, Liveness::Alive, limit).await;
        }
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn each_seed<F: Future<Output = ()>>(scenario: impl Fn(u64) -> F) {
    for seed in 1..=SEEDS {
        println!("seed {seed}");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(scenario(seed));
    }
}

#[test]
fn all_find_each_other_and_a_dead_one_is_found_out() {
    each_seed(|seed| async move {
        let mut cluster = Cluster::start(seed, 5);
        cluster.network.set_loss(20);
        cluster.all_are_alive(seconds(20)).await;
        cluster.kill(3).await;
        cluster.all_see(3, Liveness::Down, seconds(15)).await;
        for other in [1, 2, 4, 5] {
            cluster.all_see(other, Liveness::Alive, seconds(15)).await;
        }
        // It comes back in another life.
        cluster.boot(3, 60_000, seed);
        cluster.all_are_alive(seconds(20)).await;
    });
}

#[test]
fn one_that_was_wrongly_declared_down_comes_back() {
    each_seed(|seed| async move {
        let cluster = Cluster::start(seed, 3);
        cluster.all_are_alive(seconds(20)).await;
        cluster.network.cut(&[2], &[1, 3]);
        let deadline = Instant::now() + seconds(20);
        while cluster.seen(1, 2) != Some(Liveness::Down) || cluster.seen(3, 2) != Some(Liveness::Down) {
            assert!(Instant::now() < deadline, "node 2 was never declared down");
            sleep(Duration::from_millis(20)).await;
        }
        cluster.network.heal();
        cluster.all_are_alive(seconds(30)).await;
    });
}

#[test]
fn one_restarted_with_a_clock_that_was_set_back_comes_back() {
    each_seed(|seed| async move {
        let mut cluster = Cluster::start(seed, 3);
        cluster.all_are_alive(seconds(20)).await;
        cluster.kill(2).await;
        cluster.all_see(2, Liveness::Down, seconds(15)).await;
        cluster.boot(2, 1, seed);
        cluster.all_are_alive(seconds(60)).await;
    });
}

#[test]
fn a_partition_heals() {
    each_seed(|seed| async move {
        let cluster = Cluster::start(seed, 5);
        cluster.all_are_alive(seconds(20)).await;
        cluster.network.cut(&[1, 2], &[3, 4, 5]);
        sleep(seconds(30)).await;
        assert_eq!(cluster.seen(1, 2), Some(Liveness::Alive));
        assert_eq!(cluster.seen(1, 3), Some(Liveness::Down));
        assert_eq!(cluster.seen(4, 2), Some(Liveness::Down));
        assert_eq!(cluster.seen(4, 3), Some(Liveness::Alive));
        cluster.network.heal();
        cluster.all_are_alive(seconds(60)).await;
    });
}

#[test]
fn a_path_cut_between_two_makes_nobody_down() {
    each_seed(|seed| async move {
        let cluster = Cluster::start(seed, 4);
        cluster.all_are_alive(seconds(20)).await;
        // The others reach both: an indirect probe goes around.
        cluster.network.cut(&[1], &[2]);
        for _ in 0..100 {
            sleep(Duration::from_millis(300)).await;
            for by in 1..=4 {
                for of in 1..=4 {
                    assert_ne!(cluster.seen(by, of), Some(Liveness::Down), "{by} sees {of} down");
                }
            }
        }
    });
}

#[test]
fn what_a_node_says_of_itself_reaches_all_and_goodbye_too() {
    each_seed(|seed| async move {
        let cluster = Cluster::start(seed, 3);
        let profile = Profile { load_per_mille: 250, draining: true, applied_index: 77 };
        cluster.gossip(1).tell(profile);
        cluster.all_are_alive(seconds(20)).await;
        let deadline = Instant::now() + seconds(20);
        let heard = |by| cluster.gossip(by).members().borrow().get(1).and_then(|peer| peer.profile);
        while heard(2) != Some(profile) || heard(3) != Some(profile) {
            assert!(Instant::now() < deadline, "{:?} {:?}", heard(2), heard(3));
            sleep(Duration::from_millis(20)).await;
        }
        let busier = Profile { load_per_mille: 900, ..profile };
        cluster.gossip(1).tell(busier);
        sleep(seconds(3)).await;
        assert_eq!((heard(2), heard(3)), (Some(busier), Some(busier)));
        let address = cluster.gossip(3).members().borrow().get(1).unwrap().address.clone();
        assert_eq!(address, "sim:1");
        let leaving = Instant::now();
        cluster.gossip(1).leave().await;
        for by in [2, 3] {
            while cluster.seen(by, 1) != Some(Liveness::Down) {
                assert!(leaving.elapsed() < seconds(2), "goodbye was not heard by {by}");
                sleep(Duration::from_millis(10)).await;
            }
        }
    });
}

#[test]
fn one_that_was_removed_is_not_spoken_of() {
    each_seed(|seed| async move {
        let cluster = Cluster::start(seed, 3);
        cluster.all_are_alive(seconds(20)).await;
        for by in [1, 2] {
            cluster.gossip(by).forget(3);
        }
        sleep(seconds(30)).await;
        assert_eq!(cluster.seen(1, 3), None);
        assert_eq!(cluster.seen(2, 3), None);
        assert_eq!(cluster.seen(1, 2), Some(Liveness::Alive));
    });
}
