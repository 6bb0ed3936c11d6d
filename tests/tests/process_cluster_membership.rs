//! Who may be a node: drained ones step aside, removed ones are refused for good, and a token makes one node. Operators
//! say so with `shopctl`.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::Value;
use shopnode_tests::network::with_network;
use shopnode_tests::shopctl::Ran;
use shopnode_tests::{Cluster, api, orders, wait};

const WITHIN: Duration = Duration::from_secs(30);

fn drain(cluster: &Cluster, place: usize, verb: &str) -> Result<Ran> {
    cluster.shopctl(0, &["node", verb, &cluster.members[place].id.to_string()])
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
    .map_err(|error| cluster.explain(&error))
}

#[test]
fn a_drained_node_steps_aside_and_somebody_stays() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        orders::enable_manual(&cluster.admin(0)).await?;
        orders::sell(&cluster.admin(0), "TEA-1", 100).await?;
        let leader = cluster.leader().await?;
        let (second, last) = ((leader + 1) % 3, (leader + 2) % 3);
        drain(&cluster, leader, "drain")?.done()?;
        unready(&cluster, leader).await?;
        wait::until("another leader", WITHIN, || async {
            cluster.leader().await.ok().filter(|place| *place != leader)
        })
        .await?;
        // It still answers whoever asks it.
        sells(&cluster, leader).await?;

        drain(&cluster, second, "drain")?.done()?;
        unready(&cluster, second).await?;
        let refused = drain(&cluster, last, "drain")?.ended(1)?;
        ensure!(refused.stderr.contains("last_voter"), "{refused:#?}");
        sells(&cluster, last).await?;
        for place in [leader, second] {
            drain(&cluster, place, "undrain")?.done()?;
            cluster.ready(place).await?;
        }
        an_operator_decides(&mut cluster).await
    })
}

/// With the autopilot off it is as operators say, and the majority stays all the same.
async fn an_operator_decides(cluster: &mut Cluster) -> Result<()> {
    let first = cluster.leader().await?;
    let (next, other) = ((first + 1) % 3, (first + 2) % 3);
    let [first_id, next_id, other_id] =
        [first, next, other].map(|place| cluster.members[place].id.to_string());

    let mut settings = json(cluster, first, &["autopilot", "get"])?;
    settings["enabled"] = false.into();
    let set = json(cluster, first, &["autopilot", "set", "--enabled", "false"])?;
    ensure!(set == settings, "what was not named has changed: {set:#}, not {settings:#}");
    ensure!(json(cluster, other, &["autopilot", "get"])? == settings);

    cluster.shopctl(other, &["leader", "transfer", "--to", &next_id])?.done()?;
    wait::until("the lead to be where it was sent", WITHIN, || async {
        let told = json(cluster, first, &["leader", "show"]).ok()?;
        (told["leader"] == cluster.members[next].id).then_some(())
    })
    .await
    .map_err(|error| cluster.explain(&error))?;

    cluster.shopctl(first, &["member", "demote", &other_id])?.done()?;
    becomes(cluster, other, "role", "learner").await?;
    cluster.shopctl(first, &["member", "promote", &other_id])?.done()?;
    becomes(cluster, other, "role", "voter").await?;
    let table = cluster.shopctl(first, &["member", "list"])?.done()?;
    ensure!(table.matches("voter").count() == 3 && table.contains("voter, leader"), "{table}");

    cluster.kill(other)?;
    becomes(cluster, other, "state", "down").await?;
    for verb in ["demote", "remove"] {
        let refused = cluster.shopctl(next, &["member", verb, &first_id])?.ended(1)?;
        ensure!(refused.stderr.contains("quorum_would_be_lost"), "{verb}: {refused:#?}");
        ensure!(refused.stdout.is_empty(), "{verb}: {refused:#?}");
    }
    sells(cluster, first).await?;
    cluster.shopctl(next, &["member", "remove", &other_id])?.done()?;
    wait::until("the node to be gone", WITHIN, || async {
        let listed = json(cluster, next, &["member", "list"]).ok()?;
        let nodes = listed["nodes"].as_array()?;
        (nodes.len() == 2 && nodes.iter().all(|node| node["role"] == "voter")).then_some(())
    })
    .await
    .map_err(|error| cluster.explain(&error))?;
    settings["enabled"] = true.into();
    ensure!(json(cluster, next, &["autopilot", "set", "--enabled", "true"])? == settings);
    sells(cluster, first).await
}

/// A node that waits votes in the place of one that stays dead; then the shop can lose another.
#[test]
fn a_voter_that_stays_dead_is_replaced() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        orders::sell(&admin, "TEA-1", 100).await?;
        cluster.shopctl(0, &["autopilot", "set", "--replace-dead-after-ms", "10000"])?.done()?;
        let heir = cluster.join().await?;
        becomes(&cluster, heir, "role", "learner").await?;
        let leader = cluster.leader().await?;
        let (dead, next) = ((leader + 1) % 3, (leader + 2) % 3);
        cluster.kill(dead)?;
        becomes(&cluster, heir, "role", "voter").await?;
        becomes(&cluster, dead, "role", "learner").await?;
        // Two of the first three voters are dead now. Had the vote not passed on, there would be no majority.
        cluster.kill(next)?;
        sells(&cluster, heir).await
    })
}

/// A machine gets another address: its node says so, the group and its peers look for it there, and it counts as before.
#[test]
fn a_node_that_has_moved_is_found_where_it_is() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        orders::enable_manual(&cluster.admin(0)).await?;
        orders::sell(&cluster.admin(0), "TEA-1", 100).await?;
        let leader = cluster.leader().await?;
        let (moved, other) = ((leader + 1) % 3, (leader + 2) % 3);
        let address = format!("{}:7081", cluster.members[moved].machine.address);
        cluster.stop(moved).await?;
        cluster.configure_one(moved, &[("SHOPNODE_CLUSTER__LISTEN", &address)]);
        cluster.start_again(moved)?;
        cluster.ready(moved).await?;
        becomes(&cluster, moved, "cluster", &address).await?;
        wait::until("the group to know where it is", WITHIN, || async {
            let is_told = |line: &str| line.contains("UpdateMember") && line.contains(&address);
            cluster
                .running()
                .iter()
                .any(|place| cluster.members[*place].log().lines().any(is_told))
                .then_some(())
        })
        .await
        .map_err(|error| cluster.explain(&error))?;
        sells(&cluster, moved).await?;

        // Without the one that has moved there is no majority now.
        cluster.kill(leader)?;
        sells(&cluster, other).await?;
        sells(&cluster, moved).await?;
        // And who was away meanwhile finds it.
        cluster.start_again(leader)?;
        cluster.ready(leader).await?;
        cluster.converged().await
    })
}

/// What `shopctl` prints for scripts.
fn json(cluster: &Cluster, place: usize, arguments: &[&str]) -> Result<Value> {
    cluster.shopctl(place, &[arguments, &["-o", "json"]].concat())?.json()
}

/// Waits until the list of members, as a running node prints it, says so of the node at a place.
async fn becomes(cluster: &Cluster, place: usize, member: &str, value: &str) -> Result<()> {
    let asked = cluster.leader().await?;
    wait::until(&format!("a node whose {member} is {value}"), WITHIN, || async {
        let listed = json(cluster, asked, &["member", "list"]).ok()?;
        let id = cluster.members[place].id;
        let node = listed["nodes"].as_array()?.iter().find(|node| node["id"] == id)?;
        (node[member] == value).then_some(())
    })
    .await
    .map_err(|error| cluster.explain(&error))
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
    .map_err(|error| cluster.explain(&error))?;
    for peer in [0, 1] {
        let connected = format!("\"message\":\"peer connected\",\"peer\":{}", cluster.members[place].id);
        let log = cluster.members[peer].log();
        let since = log.rfind("\"message\":\"serving\"").unwrap_or(0);
        ensure!(!log[since..].contains(&connected), "a removed node got in:\n{}", cluster.logs());
    }
    Ok(())
}
