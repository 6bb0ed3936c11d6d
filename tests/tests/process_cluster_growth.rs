//! From one node to three to five and back to three, a wiped node replaced, and all restarted one after the other,
//! while clients shop: nothing that a retry with the same key does not cure.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::{Buyers, Cluster, Shopping, api, orders, wait};

const SKUS: [&str; 3] = ["TEA-1", "TEA-2", "TEA-3"];
const STOCKED: u32 = 1_000_000;

async fn stocked(cluster: &Cluster) -> Result<()> {
    let admin = cluster.admin(0);
    orders::enable_manual(&admin).await?;
    for sku in SKUS {
        orders::sell(&admin, sku, STOCKED).await?;
    }
    Ok(())
}

/// Takes a node out for good, as `shopctl member remove` does.
async fn remove(cluster: &Cluster, by: usize, id: u64) -> Result<()> {
    wait::until("the node to be removed", Duration::from_secs(30), || async {
        let request = cluster.admin(by).request(Method::DELETE, &format!("/admin/v1/cluster/nodes/{id}"));
        api::answer(request).await.ok().filter(|answer| (200..300).contains(&answer.status))
    })
    .await
    .map_err(|error| error.context(cluster.logs()))?;
    Ok(())
}

#[test]
fn it_grows_and_shrinks_while_it_sells() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 1, &[]).await?;
        stocked(&cluster).await?;
        let buyers = Buyers::start(vec![cluster.admin(0)], 8, Shopping::patient(&SKUS));
        for size in [3, 5] {
            while cluster.members.len() < size {
                cluster.join().await?;
                buyers.more(20).await?;
            }
            cluster.voters(size).await?;
        }
        // The first node stays: the clients know only that one.
        for place in [4, 3] {
            remove(&cluster, 0, cluster.members[place].id).await?;
            cluster.kill(place)?;
            buyers.more(20).await?;
        }
        cluster.voters(3).await?;

        // One loses its disk: it can only come as a new node, and the old one is taken out.
        let lost = cluster.members[2].id;
        cluster.kill(2)?;
        let place = cluster.join().await?;
        ensure!(cluster.members[place].id > 5, "an id was used again: {}", cluster.members[place].id);
        remove(&cluster, 0, lost).await?;
        cluster.voters(3).await?;
        buyers.more(50).await?;
        let memory = buyers.stop().await?;
        println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
        nothing_lost(&cluster.admin(place), &memory, &SKUS, i64::from(STOCKED)).await?;
        cluster.converged().await
    })
}

#[test]
fn a_rolling_restart_is_not_noticed_by_clients_that_retry_once() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        stocked(&cluster).await?;
        let once = Shopping { attempts: 2, pause: Duration::from_millis(100), ..Shopping::patient(&SKUS) };
        let nodes = (0..3).map(|place| cluster.admin(place)).collect();
        let buyers = Buyers::start(nodes, 16, once);
        for place in 0..3 {
            buyers.more(50).await?;
            cluster.stop(place).await?;
            buyers.more(50).await?;
            cluster.start_again(place)?;
            cluster.ready(place).await?;
        }
        buyers.more(50).await?;
        let memory = buyers.stop().await?;
        println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
        nothing_lost(&cluster.admin(0), &memory, &SKUS, i64::from(STOCKED)).await?;
        cluster.converged().await
    })
}
