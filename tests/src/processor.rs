//! The sandbox card processor, as its control API and its ledger show it: who fails when, and the judge of double charges.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::Value;

use crate::api;
use crate::dev::Dev;
use crate::orders::ledger;
use crate::wait;

/// Tells the processor how to behave; its `DESIGN.md` lists the members. Answers its settings and counts.
pub async fn control(dev: &Dev, settings: &Value) -> Result<Value> {
    dev.sandbox().post("/sandbox/control", settings).await?.expect(200)
}

/// What the processor did for an order, in order: `charge 1998`, `refund 500`…
pub async fn history(dev: &Dev, order: &str) -> Result<Vec<String>> {
    let entries = ledger(dev).await?;
    let ours = entries.iter().filter(|entry| entry["metadata"]["order"] == order);
    Ok(ours.map(|entry| format!("{} {}", entry["kind"].as_str().unwrap_or("?"), entry["amount"])).collect())
}

/// Waits until the last thing that the processor did for an order is of this kind.
pub async fn has_done(dev: &Dev, order: &str, kind: &str) -> Result<()> {
    wait::until(&format!("{kind} for {order}"), Duration::from_secs(30), || async {
        let history = history(dev, order).await.ok()?;
        history.last()?.starts_with(&format!("{kind} ")).then_some(())
    })
    .await
}

/// Asserts that the processor did exactly this for an order, and does nothing more.
pub async fn did(dev: &Dev, order: &str, expect: &[&str]) -> Result<()> {
    assert_eq!(history(dev, order).await?, expect, "{order}: {:#?}", ledger(dev).await?);
    // A worker looks for work at least once a second: one that would do it again has done it by then.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(history(dev, order).await?, expect, "{order}: {:#?}", ledger(dev).await?);
    Ok(())
}

/// Waits until no webhook is on its way; says how many were delivered since the start.
pub async fn told_all(dev: &Dev) -> Result<u64> {
    wait::until("the webhooks to be delivered", Duration::from_secs(30), || async {
        let view = dev.sandbox().get("/sandbox/control").await.ok()?.json();
        let counts = &view["webhooks"];
        // Taken from the queue is not delivered yet: look twice.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let again = dev.sandbox().get("/sandbox/control").await.ok()?.json();
        (counts["waiting"] == 0 && again["webhooks"] == *counts).then(|| counts["delivered"].as_u64())?
    })
    .await
}

/// Calls the processor's own API behind the shop's back: a card that pays after all, money that nobody asked for.
pub async fn call(dev: &Dev, path: &str, form: &[(&str, &str)]) -> Result<Value> {
    let key = dev.secret("sandbox-key")?;
    let api = dev.sandbox().with_token(Some(&key));
    api::answer(api.request(Method::POST, path).form(form)).await?.expect(200).context("the sandbox refused")
}

/// The customer pays a declined payment with another card, at the processor.
pub async fn pay_after_all(dev: &Dev, attempt: &Value) -> Result<()> {
    let object = attempt["provider_object"].as_str().context("the payment's id at the processor")?;
    let path = format!("/v1/payment_intents/{object}/confirm");
    call(dev, &path, &[("payment_method", "card_ok")]).await.map(|_| ())
}
