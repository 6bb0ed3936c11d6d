//! Kill -9 at any moment under load: every acknowledged order is there, none is half, no card is charged twice.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shopnode_tests::{Api, Dev, api, orders, wait};

const ROUNDS: usize = 4;
const BUYERS: usize = 6;
/// Between two orders of a buyer: the cards of all of them are charged before the end.
const THINK: Duration = Duration::from_millis(5);
const SKUS: [&str; 3] = ["TEA-1", "TEA-2", "TEA-3"];

/// What one buyer knows: orders that were acknowledged, and the requests that never got an answer.
#[derive(Default)]
struct Memory {
    acknowledged: Vec<(String, String)>,
    unanswered: Vec<(String, Value)>,
}

async fn buy(api: Api, number: usize, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicUsize>) -> Memory {
    let mut memory = Memory::default();
    let mut turn = number;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let body = orders::order(SKUS[turn % SKUS.len()], 1, "sandbox", "card_ok");
        let key = api::fresh_key();
        match api.post_with_key("/store/v1/orders", &body, &key).await {
            Ok(answer) if answer.status == 201 => {
                let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
                memory.acknowledged.push((key, id));
                acknowledged.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(THINK).await;
            }
            _ => {
                memory.unanswered.push((key, body));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    memory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() -> Result<()> {
    let mut dev = Dev::empty().await?;
    let admin = dev.admin();
    for sku in SKUS {
        orders::sell(&admin, sku, 1_000_000).await?;
    }
    let mut keys_to_ids: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let buyer = |number| buy(admin.clone(), number, stop.clone(), acknowledged.clone());
        let buyers: Vec<_> = (0..BUYERS).map(|number| tokio::spawn(buyer(number))).collect();
        // Once work is under way any moment will do, and another each time: which one is told, lest a failure lack it.
        wait::until("a first order", Duration::from_secs(30), || async {
            (acknowledged.load(Ordering::Relaxed) > 0).then_some(())
        })
        .await?;
        let moment = Duration::from_micros(RandomState::new().hash_one(round) % 1_000_000);
        println!("round {round}: killed {moment:?} after the first order");
        tokio::time::sleep(moment).await;
        dev.kill_node().await?;
        stop.store(true, Ordering::Relaxed);
        let mut memories = Vec::new();
        for buyer in buyers {
            memories.push(buyer.await?);
        }
        dev.run_node().await?;
        let acknowledged: usize = memories.iter().map(|memory| memory.acknowledged.len()).sum();
        anyhow::ensure!(
            acknowledged > 0,
            "round {round} is vacuous: nothing was acknowledged before the kill"
        );
        for memory in memories {
            keys_to_ids.extend(memory.acknowledged);
            // Whoever got no answer repeats the request with its key: it is carried out once, whatever happened. How many they are
            // is bounded by their pauses.
            for (key, body) in memory.unanswered {
                let answer = admin.post_with_key("/store/v1/orders", &body, &key).await?.expect(201)?;
                let id = answer["id"].as_str().context("an id")?.to_owned();
                keys_to_ids.insert(key, id);
            }
        }
    }

    let ids: BTreeSet<String> = keys_to_ids.values().cloned().collect();
    assert_eq!(ids.len(), keys_to_ids.len(), "two keys share an order");
    nothing_is_pending(&admin).await?;
    for id in &ids {
        orders::settled(&admin, id, "open", "paid").await?;
    }
    // An order that no key leads to is a half one, or a second one.
    let there = every_order(&admin, "").await?;
    assert_eq!(there.len(), ids.len(), "the shop has {} orders for {} keys", there.len(), ids.len());
    for order in &there {
        let id = order["id"].as_str().context("an id")?.to_owned();
        assert!(ids.contains(&id), "no key leads to {order:#}");
    }
    every_order_is_charged_once(&dev, &admin).await?;
    for sku in SKUS {
        stock_is_the_sum_of_its_movements(&admin, sku).await?;
    }
    the_digest_survives(&mut dev, &admin).await
}

/// The orders of a list, each once; `filter` begins with `&`.
async fn every_order(admin: &Api, filter: &str) -> Result<Vec<Value>> {
    let (mut orders, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/admin/v1/orders?limit=100{filter}{cursor}")).await?.expect(200)?;
        orders.extend(page["data"].as_array().context("a list")?.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(orders),
        }
    }
}

/// Waits until no order is under way, also of those that nobody knows of. How many there are depends on the machine: only a
/// payment that does not go on is waited for in vain.
async fn nothing_is_pending(admin: &Api) -> Result<()> {
    let pending = async || every_order(admin, "&status=pending_payment").await;
    let mut left = usize::MAX;
    while left > 0 {
        let fewer = wait::until("payments to go on", Duration::from_secs(60), || async {
            pending().await.ok().map(|orders| orders.len()).filter(|count| *count < left)
        });
        left = match fewer.await {
            Ok(count) => count,
            Err(error) => return Err(error.context(format!("{:#?}", pending().await?.first()))),
        };
    }
    Ok(())
}

/// The sandbox's ledger is the judge: one charge for each paid order, of its total, and none besides.
async fn every_order_is_charged_once(dev: &Dev, admin: &Api) -> Result<()> {
    let mut charged: BTreeMap<String, i64> = BTreeMap::new();
    for entry in orders::ledger(dev).await? {
        if entry["kind"] == "capture" || entry["kind"] == "charge" {
            let order = entry["metadata"]["order"].as_str().context("the order's id")?.to_owned();
            let amount = entry["amount"].as_i64().context("an amount")?;
            anyhow::ensure!(
                charged.insert(order.clone(), amount).is_none(),
                "{order} was charged twice: {entry:#}"
            );
        }
    }
    let mut paid = 0;
    for order in every_order(admin, "").await? {
        let id = order["id"].as_str().context("an id")?;
        if order["payment_status"] == "paid" {
            paid += 1;
            assert_eq!(charged.get(id).copied(), order["total"]["amount"].as_i64(), "{order:#}");
        }
    }
    assert_eq!(charged.len(), paid, "a card was charged for an order that is not paid");
    Ok(())
}

async fn stock_is_the_sum_of_its_movements(admin: &Api, sku: &str) -> Result<()> {
    let stock = orders::stock(admin, sku).await?;
    let (mut on_hand, mut held, mut committed) = (0, 0, 0);
    let mut cursor = String::new();
    loop {
        let page = admin
            .get(&format!("/admin/v1/stock/movements?sku={sku}&limit=100{cursor}"))
            .await?
            .expect(200)?;
        for movement in page["data"].as_array().context("a list")? {
            on_hand += movement["change"]["on_hand"].as_i64().context("on_hand")?;
            held += movement["change"]["held"].as_i64().context("held")?;
            committed += movement["change"]["committed"].as_i64().context("committed")?;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        (stock["on_hand"].as_i64(), stock["held"].as_i64(), stock["committed"].as_i64()),
        (Some(on_hand), Some(held), Some(committed)),
        "{sku}: {stock:#}"
    );
    Ok(())
}

async fn the_digest_survives(dev: &mut Dev, admin: &Api) -> Result<()> {
    // Workers may still be writing what the last orders led to.
    let before = orders::digests_at_rest(admin).await?;
    dev.kill_node().await?;
    dev.run_node().await?;
    let after = orders::shop_digests(admin).await?;
    assert_eq!(before, after, "the state replayed from the log is another one");
    Ok(())
}
