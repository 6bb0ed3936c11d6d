//! A revocation bites with the commit that makes it, on every node that has applied it, also for a key that each of them has
//! just seen and remembers.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use shopnode_tests::{Api, Dev, api};

/// Waits until a node has applied `index`.
async fn applied(node: &Api, index: &str) -> Result<()> {
    let request = node.request(Method::GET, "/admin/v1/settings").header("Shopnode-Min-Index", index);
    api::answer(request.header("Consistency", "local")).await?.expect(200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_client_is_refused_on_every_node_at_once() -> Result<()> {
    let dev = Dev::cluster(3, &[]).await?;
    let nodes: Vec<_> = (0..3).map(|place| dev.admin_at(place)).collect();
    let wanted = json!({"name": "partner", "scopes": ["catalog:read"]});
    let made = nodes[0].post("/admin/v1/clients", &wanted).await?.expect(201)?;
    let client = made["client_id"].as_str().context("a client's id")?.to_owned();
    let wanted = json!({"name": "till", "scopes": ["catalog:read"]});
    let made = nodes[0].post(&format!("/admin/v1/clients/{client}/keys"), &wanted).await?;
    let index = made.header("Shopnode-Index").context("an index")?.to_owned();
    let made = made.expect(201)?;
    let key = made["key"].as_str().with_context(|| format!("a key: {made}"))?.to_owned();

    for (place, node) in nodes.iter().enumerate() {
        applied(node, &index).await?;
        // Twice: the second time from memory.
        for _ in 0..2 {
            let seen = node.with_token(Some(&key)).get("/admin/v1/products").await?;
            ensure!(seen.status == 200, "node {place} refuses a good key: {seen:?}");
        }
    }
    let revoke = nodes[1].request(Method::DELETE, &format!("/admin/v1/clients/{client}"));
    let revoked = api::answer(revoke).await?;
    ensure!((200..300).contains(&revoked.status), "{revoked:?}");
    let index = revoked.header("Shopnode-Index").context("an index")?.to_owned();
    for (place, node) in nodes.iter().enumerate() {
        applied(node, &index).await?;
        let refused = node.with_token(Some(&key)).get("/admin/v1/products").await?;
        ensure!(refused.status == 401, "node {place} takes a revoked key: {refused:?}");
    }
    Ok(())
}
