//! A node whose state is wrong is outvoted, fences itself and comes back with a fresh copy; one whose files are damaged does not serve
//! and comes back by `shopnode rejoin`. The shop sells all the time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::{Buyers, Cluster, Shopping, damage, orders, wait};

const SKUS: [&str; 2] = ["TEA-1", "TEA-2"];
const STOCKED: u32 = 1_000_000;
const WITHIN: Duration = Duration::from_secs(60);

/// A cluster of three, and clients that buy at all nodes but the one that is to be damaged.
async fn selling(cluster: &Cluster, damaged: usize) -> Result<Buyers> {
    let admin = cluster.admin(0);
    orders::enable_manual(&admin).await?;
    for sku in SKUS {
        orders::sell(&admin, sku, STOCKED).await?;
    }
    let nodes = (0..3).filter(|place| *place != damaged).map(|place| cluster.admin(place)).collect();
    let shopping = Shopping { think: Duration::from_millis(20), ..Shopping::patient(&SKUS) };
    Ok(Buyers::start(nodes, 4, shopping))
}

async fn store_name(cluster: &Cluster, place: usize) -> Option<String> {
    let settings = cluster.admin(place).get("/admin/v1/settings").await.ok()?;
    (settings.status == 200).then(|| settings.json()["store_name"].as_str().map(str::to_owned))?
}

async fn sold_out_well(cluster: &Cluster, buyers: Buyers, at: usize) -> Result<()> {
    buyers.more(30).await?;
    let memory = buyers.stop().await?;
    println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
    nothing_lost(&cluster.admin(at), &memory, &SKUS, i64::from(STOCKED)).await?;
    cluster.converged().await
}

#[test]
fn a_node_with_another_state_is_outvoted_and_takes_a_copy() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        let astray = (cluster.leader().await? + 1) % 3;
        let buyers = selling(&cluster, astray).await?;
        let name = store_name(&cluster, 0).await.context("a shop has a name")?;
        buyers.more(30).await?;
        cluster.stop(astray).await?;
        let wrong = damage::another_shop_name(&cluster.members[astray].data)?;
        ensure!(wrong != name, "nothing was damaged");
        cluster.start_again(astray)?;

        let says = |what: &'static str| {
            let cluster = &cluster;
            let look = move || async move { cluster.members[astray].log().contains(what).then_some(()) };
            async move { wait::until(what, WITHIN, look).await.map_err(|error| cluster.explain(&error)) }
        };
        says("this node's state is wrong: it serves no more").await?;
        let log = cluster.members[astray].log();
        let told = log.lines().find(|line| line.contains("this node's state is wrong")).unwrap_or_default();
        // The one table that was spoiled.
        ensure!(told.contains("SETTINGS (25)"), "it does not say which table: {told}");
        says("this node takes a copy of the leader's state before it serves").await?;
        says("tables SETTINGS (25)").await?;
        wait::until("the copy to be there", WITHIN, || async {
            let found = store_name(&cluster, astray).await?;
            (found == name).then_some(())
        })
        .await
        .map_err(|error| cluster.explain(&error))?;
        cluster.ready(astray).await?;
        ensure!(!cluster.members[astray].data.join("rejoin.toml").exists(), "it would take another copy");
        for place in (0..3).filter(|place| *place != astray) {
            let log = cluster.members[place].log();
            ensure!(!log.contains("it serves no more"), "node at {place} was fenced too");
        }
        sold_out_well(&cluster, buyers, astray).await
    })
}

#[test]
fn a_node_with_damaged_files_does_not_serve_until_it_has_rejoined() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        let damaged = (cluster.leader().await? + 1) % 3;
        let buyers = selling(&cluster, damaged).await?;
        let data = cluster.members[damaged].data.clone();
        // Where the others are is kept while it runs.
        wait::until("the peers to be kept", WITHIN, || async {
            data.join("peers.toml").exists().then_some(())
        })
        .await?;
        for spoil in [damage::lose, damage::scratch] {
            buyers.more(30).await?;
            cluster.kill(damaged)?;
            spoil(&data)?;
            cluster.start_again(damaged)?;
            let status = cluster.ended(damaged).await?;
            ensure!(status.code() == Some(1), "it ended with {status}:\n{}", cluster.logs());
            let log = cluster.members[damaged].log();
            let last = log.lines().last().unwrap_or_default();
            let advice = format!("shopnode rejoin --data {}", data.display());
            ensure!(last.contains(&advice), "it does not say what to do: {last}");
            let started = log.matches("\"message\":\"serving\"").count();

            let rejoined =
                cluster.shopnode(damaged, &["rejoin", "--data", &data.to_string_lossy()])?.ended(0)?;
            ensure!(rejoined.stderr.contains("takes a copy from the others"), "{rejoined:?}");
            cluster.start_again(damaged)?;
            cluster.ready(damaged).await?;
            let again = cluster.members[damaged].log().matches("\"message\":\"serving\"").count();
            ensure!(again == started + 1, "it served in between: {started}, {again}");
        }
        sold_out_well(&cluster, buyers, damaged).await
    })
}
