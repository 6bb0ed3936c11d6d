//! From one node to three to five and back to three, two more that only read, a wiped node replaced, and all restarted one
//! after the other, while clients shop: nothing that a retry with the same key does not cure.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
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
    .map_err(|error| cluster.explain(&error))?;
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
                let place = cluster.join().await?;
                buyers.also_at(cluster.admin(place));
                buyers.more(20).await?;
            }
            cluster.voters(size).await?;
        }
        two_more_only_read(&mut cluster, &buyers).await?;
        // The first to go leads, until it is told to.
        wait::until("the lead to be handed over", Duration::from_secs(30), || async {
            let to = cluster.members[4].id.to_string();
            cluster.shopctl(0, &["leader", "transfer", "--to", &to]).ok()?.done().ok()
        })
        .await
        .map_err(|error| cluster.explain(&error))?;
        ensure!(cluster.leader().await? == 4, "the lead went somewhere else");
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
        ensure!(cluster.members[place].id > 7, "an id was used again: {}", cluster.members[place].id);
        remove(&cluster, 0, lost).await?;
        cluster.voters(3).await?;
        buyers.more(50).await?;
        replaced_where_it_was(&mut cluster, place).await?;
        buyers.more(50).await?;
        let memory = buyers.stop().await?;
        println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
        nothing_lost(&cluster.admin(place), &memory, &SKUS, i64::from(STOCKED)).await?;
        cluster.converged().await
    })
}

/// A machine gets a new disk and keeps its address: it is told what to do, and the token that it was refused with is good
/// when that is done. Through a node that did not remove the old one, too.
async fn replaced_where_it_was(cluster: &mut Cluster, place: usize) -> Result<()> {
    let lost = cluster.members[place].id;
    cluster.kill(place)?;
    cluster.wipe(place)?;
    let token = cluster.token().await?;
    let refused = cluster.join_at(place, &token)?;
    let told = &refused.stderr;
    ensure!(refused.code != 0 && told.contains("address_taken"), "{refused:#?}");
    ensure!(told.contains(&format!("shopctl member remove {lost}")), "{refused:#?}");
    cluster.shopctl(1, &["member", "remove", &lost.to_string()])?.done()?;
    let joined = cluster.join_at(place, &token)?;
    ensure!(joined.code == 0, "{joined:#?}");
    cluster.serve(place).await?;
    ensure!(cluster.members[place].id > lost, "an id was used again: {}", cluster.members[place].id);
    cluster.voters(3).await
}

/// Five vote at most. Who comes then has all that they have, shows it as fresh as is asked, and goes again.
async fn two_more_only_read(cluster: &mut Cluster, buyers: &Buyers) -> Result<()> {
    // With seven it is not that an odd number shall vote that keeps the last one from it.
    let places = [cluster.join().await?, cluster.join().await?];
    places.iter().for_each(|place| buyers.also_at(cluster.admin(*place)));
    let place = places[1];
    let (writer, learner) = (cluster.admin(0), cluster.admin(place));
    orders::sell(&writer, "OWN-1", 0).await?;
    let stock = || learner.request(Method::GET, "/admin/v1/stock?sku=OWN-1");
    for round in 1..=50 {
        // What is written through the learner is carried out by the others.
        let through = [&writer, &learner][round % 2];
        let set = through.post("/admin/v1/stock/set", &json!({"sku": "OWN-1", "on_hand": round})).await?;
        let index = set.header("Shopnode-Index").with_context(|| format!("no index: {set:?}"))?.to_owned();
        let own = stock().header("Consistency", "local").header("Shopnode-Min-Index", index);
        for read in [own, stock().header("Consistency", "linearizable")] {
            let seen = api::answer(read).await?.expect(200)?;
            ensure!(seen["data"][0]["on_hand"] == round, "wrote {round}, read {seen}");
        }
    }
    let ahead = stock().header("Consistency", "local").header("Shopnode-Min-Index", u64::MAX.to_string());
    let ahead = api::answer(ahead).await?;
    ensure!((ahead.status, ahead.code().as_str()) == (503, "index_not_reached"), "{ahead:?}");

    // The autopilot looks twice a second, and these two have been well for longer than it asks.
    buyers.more(20).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let view = cluster.view().await?;
    let nodes = view["nodes"].as_array().context("nodes")?;
    let with = |role: &str| nodes.iter().filter(|node| node["role"] == role).count();
    ensure!((with("voter"), with("learner")) == (5, 2), "not five voters and two learners: {view:#}");
    for place in places {
        let id = cluster.members[place].id;
        let is_learner = nodes.iter().any(|node| node["id"] == id && node["role"] == "learner");
        ensure!(is_learner, "node {id} came late and votes: {view:#}");
        remove(cluster, 0, id).await?;
        cluster.kill(place)?;
    }
    Ok(())
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
