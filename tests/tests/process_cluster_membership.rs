//! Who may be a node: drained ones step aside, removed ones are refused for good, and a token makes one node.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use shopnode_tests::network::with_network;
use shopnode_tests::{Answer, Cluster, api, orders, wait};

const WITHIN: Duration = Duration::from_secs(30);

async fn drain(cluster: &Cluster, place: usize, verb: &str) -> Result<Answer> {
    let path = format!("/admin/v1/cluster/nodes/{}/{verb}", cluster.members[place].id);
    cluster.admin(0).post(&path, &json!({})).await
}

async fn unready(cluster: &Cluster, place: usize) -> Result<()> {
    let api = cluster.admin(place);
    wait::until("the node to say that it is not ready", WITHIN, || async {
        api.get("/readyz").await.ok().filter(|answer| answer.status == 503)
    })
    .await?;
    Ok(())
}

async fn sells(cluster: &Cluster, place: usize) -> Result<()> {
    let order = orders::order("TEA-1", 1, "manual", "");
    let (api, key) = (cluster.admin(place), api::fresh_key());
    wait::until("an order", WITHIN, || async {
        let answer = api.post_with_key("/store/v1/orders", &order, &key).await.ok()?;
        (answer.status == 201).then_some(())
    })
    .await
    .map_err(|error| error.context(cluster.logs()))
}

#[test]
fn a_drained_node_steps_aside_and_somebody_stays() -> Result<()> {
    with_network(|network| async move {
        let cluster = Cluster::start(network, 3, &[]).await?;
        orders::enable_manual(&cluster.admin(0)).await?;
        orders::sell(&cluster.admin(0), "TEA-1", 100).await?;
        let leader = cluster.leader().await?;
        let (second, last) = ((leader + 1) % 3, (leader + 2) % 3);
        drain(&cluster, leader, "drain").await?.expect(200)?;
        unready(&cluster, leader).await?;
        wait::until("another leader", WITHIN, || async {
            cluster.leader().await.ok().filter(|place| *place != leader)
        })
        .await?;
        // It still answers whoever asks it.
        sells(&cluster, leader).await?;

        drain(&cluster, second, "drain").await?.expect(200)?;
        unready(&cluster, second).await?;
        let refused = drain(&cluster, last, "drain").await?;
        ensure!((refused.status, refused.code().as_str()) == (409, "last_voter"), "{refused:?}");
        sells(&cluster, last).await?;
        for place in [leader, second] {
            drain(&cluster, place, "undrain").await?.expect(200)?;
            cluster.ready(place).await?;
        }
        Ok(())
    })
}

#[test]
fn a_removed_node_is_refused_for_good() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        orders::enable_manual(&cluster.admin(0)).await?;
        orders::sell(&cluster.admin(0), "TEA-1", 100).await?;
        let path = format!("/admin/v1/cluster/nodes/{}", cluster.members[2].id);
        let removed = api::answer(cluster.admin(0).request(Method::DELETE, &path)).await?;
        ensure!(removed.status == 204, "{removed:?}");
        unready(&cluster, 2).await?;
        sells(&cluster, 0).await?;
        // Its files and its certificate are as they were: they are good for nothing.
        cluster.kill(2)?;
        cluster.start_again(2)?;
        let says = || async {
            cluster.members[2].log().contains("was removed from the cluster: stop it").then_some(())
        };
        wait::until("the node to say that it was removed", WITHIN, says).await?;
        let (api, order) = (cluster.admin(2), orders::order("TEA-1", 1, "manual", ""));
        if let Ok(ready) = api.get("/readyz").await {
            ensure!(ready.status == 503, "a removed node is ready: {ready:?}");
            ensure!(ready.text.contains("removed from the cluster"), "it does not say why: {ready:?}");
            let placed = api.post("/store/v1/orders", &order).await?;
            ensure!(placed.status == 503, "a removed node took an order: {placed:?}");
        }
        sells(&cluster, 1).await?;
        removed_while_off(&mut cluster).await?;
        // The machine can come back as a new node only.
        let place = cluster.join().await?;
        ensure!(cluster.members[place].id == 5, "node {}", cluster.members[place].id);
        sells(&cluster, place).await
    })
}

/// One that was off when it was removed has nothing in its own files that says so: its peers tell it, also one that has just started.
async fn removed_while_off(cluster: &mut Cluster) -> Result<()> {
    let place = cluster.join().await?;
    cluster.stop(place).await?;
    let path = format!("/admin/v1/cluster/nodes/{}", cluster.members[place].id);
    let removed = api::answer(cluster.admin(0).request(Method::DELETE, &path)).await?;
    ensure!(removed.status == 204, "{removed:?}");
    for place in [0, 1] {
        cluster.stop(place).await?;
        cluster.start_again(place)?;
    }
    for place in [0, 1] {
        cluster.ready(place).await?;
    }
    cluster.start_again(place)?;
    let api = cluster.admin(place);
    wait::until("the node to hear that it was removed", WITHIN, || async {
        let ready = api.get("/readyz").await.ok()?;
        (ready.status == 503 && ready.text.contains("removed from the cluster")).then_some(())
    })
    .await
    .map_err(|error| error.context(cluster.logs()))?;
    for peer in [0, 1] {
        let connected = format!("\"message\":\"peer connected\",\"peer\":{}", cluster.members[place].id);
        let log = cluster.members[peer].log();
        let since = log.rfind("\"message\":\"serving\"").unwrap_or(0);
        ensure!(!log[since..].contains(&connected), "a removed node got in:\n{}", cluster.logs());
    }
    Ok(())
}
