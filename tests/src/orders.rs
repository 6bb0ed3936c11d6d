//! The shapes that most tests need: a product, stock, an order.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Api;
use crate::dev::Dev;
use crate::wait;

/// Publishes a product with one variant at 9.99 EUR and sets its stock.
pub async fn sell(admin: &Api, sku: &str, on_hand: u32) -> Result<()> {
    let product = json!({
        "title": format!("Product {sku}"), "slug": sku.to_lowercase(), "status": "published", "category": "tea",
        "variants": [{"sku": sku, "options": {"size": "100 g"}, "prices": [{"amount": 999, "currency": "EUR"}]}],
    });
    admin.post("/admin/v1/products", &product).await?.expect(201)?;
    admin.post("/admin/v1/stock/set", &json!({"sku": sku, "on_hand": on_hand})).await?.expect(200)?;
    Ok(())
}

/// The body of a one-call order. Payments by hand (`manual`) have no method.
pub fn order(sku: &str, quantity: u32, provider: &str, method: &str) -> Value {
    let payment = match provider {
        "manual" => json!({"provider": provider}),
        _ => json!({"provider": provider, "method": method}),
    };
    json!({
        "currency": "EUR", "email": "ada@example.com", "lines": [{"sku": sku, "quantity": quantity}],
        "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"},
        "payment": payment,
    })
}

/// The stock row of a SKU.
pub async fn stock(admin: &Api, sku: &str) -> Result<Value> {
    let list = admin.get(&format!("/admin/v1/stock?sku={sku}")).await?.expect(200)?;
    Ok(list["data"][0].clone())
}

/// Waits until the order has the wanted `status` and `payment_status`.
pub async fn settled(admin: &Api, id: &str, status: &str, payment_status: &str) -> Result<Value> {
    let path = format!("/admin/v1/orders/{id}");
    let mut last = Value::Null;
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        last = admin.get(&path).await?.json();
        if last["status"] == status && last["payment_status"] == payment_status {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("waited in vain for order {id} to be {status} and {payment_status}; it is {last:#}")
}

/// Every movement of money that the sandbox processor saw, in order: the judge of double charges.
pub async fn ledger(dev: &Dev) -> Result<Vec<Value>> {
    let mut entries = Vec::new();
    let mut after = 0;
    loop {
        let page = dev.sandbox().get(&format!("/sandbox/ledger?after={after}")).await?.expect(200)?;
        entries.extend(page["data"].as_array().cloned().unwrap_or_default());
        match page["next_after"].as_u64() {
            Some(next) => after = next,
            None => return Ok(entries),
        }
    }
}

/// What the feed tells of an order: the types of its events, in order.
pub async fn told(admin: &Api, id: &str) -> Result<Vec<String>> {
    let (mut kinds, mut after) = (Vec::new(), 0);
    loop {
        let page = admin.get(&format!("/admin/v1/events?after={after}&limit=100")).await?.expect(200)?;
        let events = page["data"].as_array().into_iter().flatten();
        let ours = events.filter(|event| event["subject"] == id);
        kinds.extend(ours.filter_map(|event| event["type"].as_str().map(str::to_owned)));
        after = page["next_after"].as_u64().context("next_after")?;
        if page["more"] != true {
            return Ok(kinds);
        }
    }
}

/// Lets orders be paid outside of the shop (invoice, cash on delivery).
pub async fn enable_manual(admin: &Api) -> Result<()> {
    set(admin, &json!({"manual_payments": true})).await
}

/// Changes the shop's settings.
pub async fn set(admin: &Api, patch: &Value) -> Result<()> {
    let settings = admin.get("/admin/v1/settings").await?;
    let tag = settings.header("ETag").unwrap_or("*").to_owned();
    let request = admin
        .request(reqwest::Method::PATCH, "/admin/v1/settings")
        .header("If-Match", tag)
        .header("Content-Type", "application/merge-patch+json")
        .body(patch.to_string());
    crate::api::answer(request).await?.expect(200)?;
    Ok(())
}

/// [`shop_digests`], once two looks in a row find the same: workers look for work at least once a second. A new shop's
/// first sweep has been there by then.
pub async fn digests_at_rest(admin: &Api) -> Result<Value> {
    /// What the sweep says of the indexes that it completes.
    const SWEPT: [&str; 2] = ["73", "7c"];
    wait::until("a shop at rest", Duration::from_secs(60), || async {
        let before = shop_digests(admin).await.ok()?;
        let is_swept = SWEPT.iter().all(|table| before.get(table).is_some());
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        (is_swept && shop_digests(admin).await.ok()? == before).then_some(before)
    })
    .await
}

/// The digests of the shop's own tables, by prefix. Left out are the log's (its clock moves with every entry, refused
/// ones too) and the workers' leases (each start takes new ones).
pub async fn shop_digests(admin: &Api) -> Result<Value> {
    let cluster = admin.get("/admin/v1/cluster").await?.expect(200)?;
    let tables = cluster["nodes"][0]["digest"]["tables"].as_object().cloned().unwrap_or_default();
    let own: serde_json::Map<_, _> =
        tables.into_iter().filter(|(prefix, _)| prefix.as_str() >= "20" && prefix != "26").collect();
    anyhow::ensure!(own.len() > 5, "no digests of tables: {cluster:#}");
    Ok(Value::Object(own))
}
