//! The README's second minute, and the test that says that it is a shop: many buyers, one piece, three nodes, the leader
//! killed in the middle of the payment, a processor that charges and does not answer, and webhooks that come twice, late and out
//! of order.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shopnode_tests::{Api, Dev, api, orders, wait};

const BUYERS: usize = 100;

async fn leader(dev: &Dev) -> Result<usize> {
    wait::until("a leader", Duration::from_secs(20), || async {
        for place in 0..dev.file.nodes.len() {
            let Ok(answer) = dev.admin_at(place).get("/admin/v1/cluster").await else { continue };
            let leader = answer.json()["leader"].as_u64();
            let found = dev.file.nodes.iter().position(|node| Some(node.id) == leader);
            if let Some(found) = found {
                return Some(found);
            }
        }
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_dies_and_the_shop_goes_on() -> Result<()> {
    let mut dev = Dev::cluster(3, &[]).await?;
    orders::sell(&dev.admin(), "TEA-1", 10).await?;
    let first = leader(&dev).await?;
    dev.kill(first).await?;
    let other = dev.admin_at((first + 1) % 3);
    let order = orders::order("TEA-1", 2, "sandbox", "card_ok");
    let key = api::fresh_key();
    let placed = other.post_with_key("/store/v1/orders", &order, &key).await?.expect(201)?;
    let id = placed["id"].as_str().context("an id")?;
    orders::settled(&other, id, "open", "paid").await?;
    // The same order, asked for at yet another node.
    let again = dev.admin_at((first + 2) % 3).post_with_key("/store/v1/orders", &order, &key).await?;
    ensure!(again.header("Idempotent-Replayed") == Some("true"), "{again:?}");
    ensure!(again.expect(201)? == placed, "another body for the same key");
    dev.run(first).await?;
    let back = dev.admin_at(first);
    ensure!(back.get(&format!("/admin/v1/orders/{id}")).await?.expect(200)?["payment_status"] == "paid");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_buyers_want_the_one_that_is_left() -> Result<()> {
    let mut dev = Dev::cluster(3, &[("SHOPNODE_PAYMENTS__TIMEOUT_MS", "1000")]).await?;
    orders::sell(&dev.admin(), "LAST-1", 1).await?;
    let control = json!({"webhooks": {"copies": 2, "order": "reversed", "delay_ms": 300}});
    dev.sandbox().post("/sandbox/control", &control).await?.expect(200)?;

    let buyers: Vec<_> = (0..BUYERS)
        .map(|number| {
            let nodes: Vec<_> = (0..3).map(|node| dev.admin_at((number + node) % 3)).collect();
            // Whoever gets it has a card that is charged without an answer.
            tokio::spawn(async move {
                buy(&nodes, &orders::order("LAST-1", 1, "sandbox", "card_drop_response")).await
            })
        })
        .collect();
    // In the middle of the payment: the processor was called, and has not answered.
    wait::until("the processor to be called", Duration::from_secs(20), || async {
        orders::ledger(&dev).await.ok().filter(|ledger| !ledger.is_empty())
    })
    .await?;
    let first = leader(&dev).await?;
    dev.kill(first).await?;

    let (mut placed, mut refused) = (BTreeMap::new(), 0);
    for buyer in buyers {
        let answer = buyer.await??;
        match (answer.status, answer.code().as_str()) {
            (201, _) => {
                placed.insert(answer.json()["id"].as_str().context("an id")?.to_owned(), answer.json());
            }
            (409, "out_of_stock") => refused += 1,
            other => anyhow::bail!("{other:?}: {}", answer.text),
        }
    }
    ensure!((placed.len(), refused) == (1, BUYERS - 1), "{} placed, {refused} refused", placed.len());
    dev.run(first).await?;
    let admin = dev.admin_at(first);
    let id = placed.keys().next().context("one order")?;
    let order = orders::settled(&admin, id, "open", "paid").await?;
    let charges: Vec<Value> = charges(&orders::ledger(&dev).await?);
    ensure!(charges.len() == 1, "the card was charged {} times: {charges:#?}", charges.len());
    ensure!(charges[0]["amount"] == order["total"]["amount"], "{charges:#?} for {order:#}");
    let unmatched = admin.get("/admin/v1/payments/unmatched").await?.expect(200)?;
    ensure!(unmatched["data"].as_array().is_some_and(Vec::is_empty), "{unmatched:#}");
    let stock = orders::stock(&admin, "LAST-1").await?;
    ensure!((&stock["available"], &stock["committed"]) == (&json!(0), &json!(1)), "{stock:#}");
    Ok(())
}

/// Tries until there is an answer that is about the order and not about the cluster.
async fn buy(nodes: &[Api], order: &Value) -> Result<api::Answer> {
    let key = api::fresh_key();
    for attempt in 0..200 {
        if let Ok(answer) = nodes[attempt % nodes.len()].post_with_key("/store/v1/orders", order, &key).await
            && ![429, 503].contains(&answer.status)
            && answer.code() != "idempotency_in_progress"
        {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("no answer after many attempts")
}

fn charges(ledger: &[Value]) -> Vec<Value> {
    ledger.iter().filter(|entry| entry["kind"] == "capture" || entry["kind"] == "charge").cloned().collect()
}
