//! A revocation bites with the commit that makes it, on every node that has applied it, also for a key that each of them has
//! just seen and remembers.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_client_is_known_to_every_node_at_once() -> Result<()> {
    // Refusals count against the address.
    let dev = Dev::cluster(3, &[("SHOPNODE_RATE_LIMIT__ENABLED", "false")]).await?;
    let wanted = json!({"name": "till", "scopes": ["catalog:read"]});
    let guest_at = |place: usize| dev.admin_at(place).with_token(None);
    // A node hears of a commit with the next message of its leader: each round looks before that at the two who follow.
    for round in 0..10 {
        let maker = dev.admin_at(round % 3);
        let client = maker.post("/admin/v1/clients", &wanted).await?.expect(201)?;
        let (id, secret) = (text(&client, "client_id")?, text(&client, "client_secret")?);
        let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
        let elsewhere = guest_at((round + 1) % 3);
        let token =
            api::answer(elsewhere.request(Method::POST, "/oauth/token").form(&form)).await?.expect(200)?;
        let made = maker.post(&format!("/admin/v1/clients/{id}/keys"), &wanted).await?;
        let index = made.header("Shopnode-Index").context("an index")?.to_owned();
        let key = text(&made.expect(201)?, "key")?;
        for place in 0..3 {
            for credential in [&key, &text(&token, "access_token")?] {
                let node = guest_at(place).with_token(Some(credential));
                let seen = node.get("/admin/v1/products").await?;
                ensure!(seen.status == 200, "round {round}: node {place} does not know it: {seen:?}");
            }
        }
        // Who names the index of a revocation is not let in by a node that has not heard of it yet.
        let revoke = maker.request(Method::DELETE, &format!("/admin/v1/clients/{id}"));
        let revoked = api::answer(revoke).await?;
        let at = revoked.header("Shopnode-Index").context("an index")?.to_owned();
        ensure!(at.parse::<u64>()? > index.parse::<u64>()?, "{at} is not behind {index}");
        for place in 0..3 {
            let node = guest_at(place).with_token(Some(&key));
            let request = node.request(Method::GET, "/admin/v1/products").header("Shopnode-Min-Index", &at);
            let refused = api::answer(request).await?;
            ensure!(refused.status == 401, "round {round}: node {place} takes a revoked key: {refused:?}");
            for name in ["Shopnode-Index", "Shopnode-Lag"] {
                ensure!(refused.header(name).is_some(), "a refusal without {name}: {refused:?}");
            }
        }
    }
    Ok(())
}

fn text(view: &Value, member: &str) -> Result<String> {
    view[member].as_str().map(str::to_owned).with_context(|| format!("no {member}: {view:#}"))
}
