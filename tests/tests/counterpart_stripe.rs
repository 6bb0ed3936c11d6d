//! A real Stripe-compatible server and Stripe's own SDK agree with the shop about what was paid and given back.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shopnode_tests::node::{Peer, counterpart, python};
use shopnode_tests::{Node, dev, orders};

fn sdk(base: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(python()?).arg(counterpart("stripe_check.py")).arg(base).args(arguments).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_charged_and_refunded_over_the_real_protocol() -> Result<()> {
    let port = dev::free_port()?;
    let child = Command::new(python()?)
        .args(["-m", "localstripe", "--port", &port.to_string(), "--from-scratch"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _processor = Peer::on_port(child, port).await?;
    let base = format!("http://127.0.0.1:{port}");

    let secrets = tempfile::tempdir()?;
    let secret = |name: &str, text: &str| -> Result<String> {
        let path = secrets.path().join(name);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path.display().to_string())
    };
    let node = Node::start(&[
        ("SHOPNODE_PAYMENTS__STRIPE__BASE_URL", base.clone()),
        ("SHOPNODE_PAYMENTS__STRIPE__KEY_FILE", secret("stripe.key", "sk_test_12345\n")?),
        ("SHOPNODE_PAYMENTS__STRIPE__WEBHOOK_SECRET_FILE", secret("stripe.webhook", "whsec_unused\n")?),
    ])
    .await?;
    let admin = &node.api;
    orders::sell(admin, "TEA-1", 5).await?;

    let method = sdk(&base, &["method"])?;
    let order =
        admin.post("/store/v1/orders", &orders::order("TEA-1", 2, "stripe", &method)).await?.expect(201)?;
    let id = order["id"].as_str().context("id")?;
    orders::settled(admin, id, "open", "paid").await.with_context(|| node.output())?;
    let intents: Vec<Value> = serde_json::from_str(&sdk(&base, &["list"])?)?;
    let ours: Vec<&Value> = intents.iter().filter(|intent| intent["metadata"]["order"] == id).collect();
    assert_eq!(ours.len(), 1, "{intents:#?}");
    assert_eq!((&ours[0]["amount"], &ours[0]["status"]), (&json!(1998), &json!("succeeded")));

    let payment = order["payment_attempt"]["id"].as_str().context("payment id")?;
    let refund = json!({"amount": {"amount": 1998, "currency": "EUR"}});
    let refunded = admin.post(&format!("/admin/v1/payments/{payment}/refunds"), &refund).await?;
    anyhow::ensure!(matches!(refunded.status, 201 | 202), "{}", refunded.text);
    orders::settled(admin, id, "open", "refunded").await.with_context(|| node.output())?;
    Ok(())
}
