//! What goes wrong, and when.

use std::time::Duration;

use net::{NodeId, sim::Random};

use crate::{
    cluster::{Cluster, NODES, within},
    run::Report,
};

/// Breaks and mends something, then lets it be for a while.
pub async fn strike(cluster: &mut Cluster, random: &mut Random, report: &mut Report) {
    let node = NODES[random.below(3) as usize];
    match random.below(9) {
        0 | 1 => crash(cluster, node, random, report).await,
        2 => {
            let leader = cluster.current_leader().unwrap_or(node);
            crash(cluster, leader, random, report).await;
        }
        3 => {
            report.cuts += 1;
            let others: Vec<NodeId> = NODES.into_iter().filter(|id| *id != node).collect();
            cluster.network.cut(&[node], &others);
        }
        4 => {
            report.cuts += 1;
            let to = NODES[((node + random.below(2)) % 3) as usize];
            cluster.network.cut_one_way(node, to);
        }
        5 => {
            report.lossy += 1;
            cluster.network.set_loss(random.between(10, 200));
            cluster
                .network
                .set_delay(Duration::from_micros(100), Duration::from_millis(random.between(1, 30)));
        }
        6 => {
            report.transfers += 1;
            if let Some(leader) = cluster.current_leader()
                && let Some(host) = cluster.host(leader)
            {
                // It may end meanwhile; the next leader is somebody's anyway.
                let _ = host.transfer_leader(node, within(Duration::from_millis(300))).await;
            }
        }
        7 => {
            report.blackouts += 1;
            cluster.blackout(random).await;
        }
        _ => {
            if cluster.is_up(node) {
                report.restarts += 1;
                cluster.restart(node).await;
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(random.between(50, 2000))).await;
    mend_some(cluster, random).await;
}

async fn crash(cluster: &mut Cluster, node: NodeId, random: &mut Random, report: &mut Report) {
    if cluster.is_up(node) {
        report.crashes += 1;
        cluster.crash(node, random).await;
    }
}

async fn mend_some(cluster: &mut Cluster, random: &mut Random) {
    for node in NODES {
        if !cluster.is_up(node) && random.chance(600) {
            cluster.boot(node).await;
        }
    }
    if random.chance(600) {
        cluster.network.heal();
        cluster.network.set_delay(Duration::from_micros(100), Duration::from_millis(1));
    }
}

/// Everything works again.
pub async fn mend_all(cluster: &mut Cluster) {
    cluster.network.heal();
    cluster.network.set_delay(Duration::from_micros(100), Duration::from_millis(1));
    for node in NODES {
        if !cluster.is_up(node) {
            cluster.boot(node).await;
        }
    }
}
