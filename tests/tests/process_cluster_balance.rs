//! Reads that a busy node lets others answer: right, as fresh as its own, for whom they may be shown; and answered by
//! itself when another node does not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use shopnode_tests::network::{Network, with_network};
use shopnode_tests::{Api, Cluster, api, orders, wait};

/// Every node always counts as busy, and nobody has to be less busy than it.
const ALWAYS: &[(&str, &str)] = &[
    ("SHOPNODE_BALANCE__BUSY_PER_MILLE", "0"),
    ("SHOPNODE_BALANCE__MARGIN_PER_MILLE", "0"),
    ("SHOPNODE_RATE_LIMIT__ENABLED", "false"),
];
const WITHIN: Duration = Duration::from_secs(30);

/// The value of a metric on a node, 0 when it is not there.
async fn metric(node: &Api, line: &str) -> Result<f64> {
    let text = node.get("/metrics").await?.text;
    let value = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    Ok(value.unwrap_or(0.0))
}

/// Reads a path until another node answers it.
async fn passed_on(node: &Api, path: &str) -> Result<api::Answer> {
    wait::until("another node to answer", WITHIN, || async {
        let answer = node.get(path).await.ok()?;
        answer.header("Shopnode-Node").is_some().then_some(answer)
    })
    .await
}

#[test]
fn others_answer_for_a_busy_node() -> Result<()> {
    with_network(others_answer)
}

async fn others_answer(network: Network) -> Result<()> {
    let cluster = Cluster::start(network, 3, ALWAYS).await?;
    let node = cluster.admin(0);
    orders::sell(&node, "TEA-1", 1_000).await?;
    passed_on(&node, "/admin/v1/orders").await.map_err(|error| cluster.explain(&error))?;

    // What was written through this node is there, whoever answers; and both others do.
    let mut answered_by = std::collections::BTreeSet::new();
    for number in 1..=100u64 {
        let set = json!({"sku": "TEA-1", "on_hand": number});
        let index = node.post("/admin/v1/stock/set", &set).await?;
        let index = index.header("Shopnode-Index").context("an index")?.to_owned();
        for consistency in ["local", "linearizable"] {
            let read = node.request(Method::GET, "/admin/v1/stock?sku=TEA-1");
            let seen = api::answer(read.header("Consistency", consistency)).await?;
            answered_by.extend(seen.header("Shopnode-Node").map(str::to_owned));
            let shown: u64 = seen.header("Shopnode-Index").context("an index")?.parse()?;
            ensure!(shown >= index.parse()?, "{consistency}: {shown} after {index}: {seen:?}");
            let body = seen.expect(200)?;
            ensure!(body["data"][0]["on_hand"] == number, "{consistency}: not {number}: {body}");
        }
    }
    ensure!(answered_by.len() == 2, "only {answered_by:?} have answered");
    let answered = metric(&node, r#"shopnode_reads_spilled_total{outcome="answered"}"#).await?;
    let mut for_peers = 0.0;
    for place in [1, 2] {
        for_peers +=
            metric(&cluster.admin(place), r#"shopnode_reads_for_peers_total{outcome="answered"}"#).await?;
    }
    ensure!(answered >= 100.0 && for_peers >= answered, "{answered} of {for_peers}");

    // The least index that a reader asks for holds wherever it is answered.
    let other = cluster.admin(1).post("/admin/v1/stock/set", &json!({"sku": "TEA-1", "on_hand": 7})).await?;
    let index = other.header("Shopnode-Index").context("an index")?.to_owned();
    let read = node.request(Method::GET, "/admin/v1/stock?sku=TEA-1");
    let read = read.header("Consistency", "local").header("Shopnode-Min-Index", &index);
    ensure!(api::answer(read).await?.expect(200)?["data"][0]["on_hand"] == 7);

    a_revocation_holds(&cluster, &node).await?;
    a_paused_node_is_set_aside(&cluster, &node).await
}

/// A key that was revoked here is refused here, whoever would answer.
async fn a_revocation_holds(cluster: &Cluster, node: &Api) -> Result<()> {
    for round in 0..10 {
        let wanted = json!({"name": format!("partner-{round}"), "scopes": ["orders:read"]});
        let made = node.post("/admin/v1/clients", &wanted).await?.expect(201)?;
        let client = made["client_id"].as_str().context("a client's id")?.to_owned();
        let wanted = json!({"name": "till", "scopes": ["orders:read"]});
        let made = node.post(&format!("/admin/v1/clients/{client}/keys"), &wanted).await?.expect(201)?;
        let till = node.with_token(Some(made["key"].as_str().context("a key")?));
        passed_on(&till, "/admin/v1/orders").await.map_err(|error| cluster.explain(&error))?.expect(200)?;
        let forbidden = till.get("/admin/v1/stock?sku=TEA-1").await?;
        ensure!(forbidden.status == 403, "{forbidden:?}");
        let revoke = node.request(Method::DELETE, &format!("/admin/v1/clients/{client}"));
        let revoked = api::answer(revoke).await?;
        ensure!((200..300).contains(&revoked.status), "{revoked:?}");
        for answer in join_all((0..8).map(|_| till.get("/admin/v1/orders"))).await {
            let answer = answer?;
            ensure!(answer.status == 401, "a revoked key is taken: {answer:?}");
        }
    }
    Ok(())
}

/// With one node paused every read is answered still, and that node is asked no more.
async fn a_paused_node_is_set_aside(cluster: &Cluster, node: &Api) -> Result<()> {
    let leader = cluster.leader().await?;
    // One that neither is asked nor leads, so that reads and writes go on without it.
    let paused = [1, 2].into_iter().find(|place| *place != leader).context("a follower")?;
    cluster.pause(paused)?;
    let read = || async {
        let request = node.request(Method::GET, "/admin/v1/stock?sku=TEA-1");
        api::answer(request.header("Consistency", "local")).await
    };
    let set_aside = wait::until("the paused node to be set aside", WITHIN, || async {
        for answer in join_all((0..16).map(|_| read())).await {
            let answer = answer.ok()?;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        (metric(node, "shopnode_peers_set_aside").await.ok()? == 1.0).then_some(())
    });
    set_aside.await.map_err(|error| cluster.explain(&error))?;
    let late = metric(node, r#"shopnode_reads_spilled_total{outcome="late"}"#).await?;
    ensure!(late >= 5.0, "set aside after {late} late answers");
    let name = cluster.members[paused].id.to_string();
    for answer in join_all((0..32).map(|_| read())).await {
        let answer = answer?;
        ensure!(answer.status == 200 && answer.header("Shopnode-Node") != Some(&name), "{answer:?}");
    }
    // It comes back by itself.
    cluster.resume(paused)?;
    wait::until("the node to be asked again", WITHIN, || async {
        let answer = read().await.ok()?;
        (answer.header("Shopnode-Node") == Some(&name)).then_some(())
    })
    .await
    .map_err(|error| cluster.explain(&error))
}
