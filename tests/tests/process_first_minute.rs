//! The README's first minute, and the promises of one node.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shopnode_tests::shopctl::shopctl;
use shopnode_tests::{Api, Dev, orders, wait};

/// Waits until the order's confirmation is in the mail catcher.
async fn confirmed(dev: &Dev, order: &Value) -> Result<()> {
    let subject = format!("order {} confirmed", order["number"]);
    wait::until(&format!("a mail with `{subject}`"), Duration::from_secs(20), || async {
        let mails = dev.mail().get("/mail").await.ok()?.json();
        let ours = |mail: &Value| {
            mail["to"][0] == "ada@example.com"
                && mail["subject"].as_str().is_some_and(|s| s.ends_with(&subject))
        };
        mails["data"].as_array()?.iter().any(ours).then_some(())
    })
    .await
}

#[tokio::test]
async fn an_order_is_placed_paid_and_mailed() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 5).await?;

    let placed = dev
        .guest()
        .post("/store/v1/orders", &orders::order("TEA-1", 2, "sandbox", "card_ok"))
        .await?
        .expect(201)?;
    let id = placed["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(placed["total"]["amount"], 1998, "{placed:#}");

    orders::settled(&admin, &id, "open", "paid").await?;
    let stock = orders::stock(&admin, "TEA-1").await?;
    assert_eq!(
        (stock["on_hand"].as_i64(), stock["committed"].as_i64(), stock["available"].as_i64()),
        (Some(5), Some(2), Some(3)),
        "{stock:#}"
    );

    confirmed(&dev, &placed).await?;
    let timeline = admin.get(&format!("/admin/v1/orders/{id}/timeline")).await?.expect(200)?;
    let steps = timeline["data"].as_array().map_or(0, Vec::len);
    assert!(steps >= 3, "placed, captured, confirmed are steps of their own: {timeline:#}");
    assert!(
        timeline["data"].as_array().into_iter().flatten().all(|step| step["index"].is_u64()),
        "{timeline:#}"
    );
    wait::until("the mail in the timeline", Duration::from_secs(20), || async {
        let timeline = admin.get(&format!("/admin/v1/orders/{id}/timeline")).await.ok()?.json();
        let mut mails = timeline["data"].as_array()?.iter().flat_map(|step| step["notifications"].as_array());
        let mail = mails.find_map(|mails| mails.first().cloned())?;
        (mail["kind"] == "order_confirmed" && mail["status"] == "sent").then_some(())
    })
    .await?;
    Ok(())
}

/// A text about a parcel is taken by the provider, whose answer is lost, and the node is killed: it is found there, and not
/// sent again.
#[tokio::test]
async fn a_parcel_is_told_of_by_one_text_whatever_breaks() -> Result<()> {
    let mut dev = Dev::empty().await?;
    orders::sell(&dev.admin(), "TEA-1", 5).await?;
    let lost = serde_json::json!({"fault": "slow", "delay_ms": 600_000});
    dev.sms().post("/faults", &lost).await?.expect(204)?;
    let mut order = orders::order("TEA-1", 1, "sandbox", "card_ok");
    order["shipping_address"]["phone"] = "+49 (30) 901820".into();
    let placed = dev.guest().post("/store/v1/orders", &order).await?.expect(201)?;
    let id = placed["id"].as_str().unwrap_or_default().to_owned();
    orders::settled(&dev.admin(), &id, "open", "paid").await?;
    let shipments = format!("/admin/v1/orders/{id}/fulfilments");
    dev.admin().post(&shipments, &serde_json::json!({})).await?.expect(201)?;
    let texts = async || {
        let list = dev.sms().get("/texts").await.ok()?.json();
        list["data"].as_array().cloned().filter(|texts| !texts.is_empty())
    };
    wait::until("the text", Duration::from_secs(20), &texts).await?;

    dev.kill_node().await?;
    dev.run_node().await?;
    wait::until("the text to be found", Duration::from_secs(60), || async {
        let list = dev.admin().get("/admin/v1/sms?status=sent").await.ok()?.json();
        (list["data"].as_array()?.len() == 1).then_some(())
    })
    .await?;
    let texts = dev.sms().get("/texts").await?.expect(200)?;
    assert_eq!(texts["data"].as_array().map(Vec::len), Some(1), "{texts:#}");
    let told = format!("Demo Shop: parcel 1 of order {} is on its way.", placed["number"]);
    assert_eq!((&texts["data"][0]["to"], &texts["data"][0]["body"]), (&"+4930901820".into(), &told.into()));
    Ok(())
}

/// All items of a list, page by page.
async fn all(api: &Api, path: &str) -> Result<Vec<Value>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=100{cursor}")).await?.expect(200)?;
        items.extend(page["data"].as_array().context("a list")?.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let (_, rest) = text.split_once(before).with_context(|| format!("no `{before}` in {text}"))?;
    let (found, _) = rest.split_once(after).with_context(|| format!("no `{after}` in {rest}"))?;
    Ok(found)
}

/// Runs what was printed, as it is, in the shell that every machine has; says the order that was answered with 201.
fn paste(command: &str) -> Result<Value> {
    // Behind what is pasted: the status, so that it can be asserted, and a bound.
    let command = format!(r"{command} -w '\n%{{http_code}}' --max-time 20");
    let ran = Command::new("sh").args(["-c", &command]).env("no_proxy", "127.0.0.1").output()?;
    let (told, troubles) =
        (String::from_utf8(ran.stdout)?, String::from_utf8_lossy(&ran.stderr).into_owned());
    anyhow::ensure!(ran.status.success(), "{command}: {told}{troubles}");
    let (body, status) = told.rsplit_once('\n').context("no status")?;
    anyhow::ensure!(status == "201", "{command}: {told}");
    Ok(serde_json::from_str(body)?)
}

#[tokio::test]
async fn a_newcomer_pastes_what_is_printed() -> Result<()> {
    let dev = Dev::with_demo().await?;
    let admin = dev.admin();
    // Scripts are told by a file, a moment before people are.
    let told = wait::until("the welcome", Duration::from_secs(10), || async {
        Some(dev.told()).filter(|told| told.contains("Ctrl-C ends it.\n"))
    })
    .await?;

    let products = all(&dev.guest(), "/store/v1/products").await?;
    let categories: BTreeSet<_> =
        products.iter().filter_map(|product| product["category"].as_str()).collect();
    assert!(products.len() >= 100, "a demo of {} products", products.len());
    assert!(categories.len() >= 5, "a demo of the categories {categories:?}");
    assert_eq!(all(&dev.guest(), "/store/v1/categories").await?.len(), categories.len());
    let customers = all(&admin, "/admin/v1/customers").await?;
    assert!(customers.len() >= 5 && customers.iter().all(|one| one["email"].is_string()), "{customers:#?}");

    let command = between(&told, "An order, paid by card:\n\n", "\n\n")?;
    let placed = paste(command)?;
    let sku = placed["lines"][0]["sku"].as_str().context("a SKU")?;
    let mut variants = products.iter().filter_map(|product| product["variants"].as_array()).flatten();
    let price = variants.find(|variant| variant["sku"] == sku).context("not a SKU of the demo")?;
    let price = price["prices"][0]["amount"].as_i64().context("a price")?;
    assert_eq!(placed["lines"][0]["quantity"], 2, "{placed:#}");
    assert_eq!(placed["total"]["amount"], 2 * price, "{placed:#}");
    assert!(placed["order_token"].is_string(), "a guest can read it again: {placed:#}");

    let id = placed["id"].as_str().context("id")?;
    orders::settled(&admin, id, "open", "paid").await?;
    confirmed(&dev, &placed).await?;
    let stock = orders::stock(&admin, sku).await?;
    assert_eq!((stock["held"].as_i64(), stock["committed"].as_i64()), (Some(0), Some(2)), "{stock:#}");

    // Each row of the timeline begins with the index of its entry in the log, in the order in which things happened.
    let dev_json = between(&told, "export SHOPNODE_DEV_JSON=", "\n")?;
    let timeline = wait::until("the mail in the timeline", Duration::from_secs(20), || async {
        let told = shopctl(&[("SHOPNODE_DEV_JSON", Path::new(dev_json))], &["order", "timeline", id], "");
        let timeline = told.ok()?.done().ok()?;
        timeline
            .lines()
            .any(|row| row.contains("mail order_confirmed") && row.contains("sent"))
            .then_some(timeline)
    });
    let timeline = timeline.await?;
    let mut rows = timeline.lines();
    assert!(rows.next().is_some_and(|head| head.trim_start().starts_with("INDEX")), "{timeline}");
    let indexes: Option<Vec<u64>> = rows.map(|row| row.split_whitespace().next()?.parse().ok()).collect();
    let indexes = indexes.with_context(|| format!("a row without an index:\n{timeline}"))?;
    let steps: BTreeSet<_> = indexes.iter().collect();
    assert!(steps.len() >= 3, "placed, captured, confirmed are steps of their own:\n{timeline}");
    assert!(indexes.is_sorted() && !steps.contains(&0), "{timeline}");
    for event in ["order.placed", "payment.captured", "order.confirmed"] {
        assert!(timeline.contains(event), "no {event}:\n{timeline}");
    }

    // Pasted again, at once, it is another order: nobody gets somebody else's by chance.
    let again = paste(command)?;
    assert_ne!(again["id"], placed["id"]);
    orders::settled(&admin, again["id"].as_str().context("id")?, "open", "paid").await?;
    Ok(())
}
