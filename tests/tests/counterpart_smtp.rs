//! Mail arrives at a real SMTP server, once, well formed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shopnode_tests::node::{Peer, counterpart, python};
use shopnode_tests::{Node, dev, orders};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_and_a_shipping_note_arrive() -> Result<()> {
    let port = dev::free_port()?;
    let mut child = Command::new(python()?)
        .arg(counterpart("smtp_sink.py"))
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("stdout")?);
    let _sink = Peer::on_port(child, port).await?;
    let (send, mails) = mpsc::channel::<Value>();
    std::thread::spawn(move || {
        for line in lines.lines().map_while(|line| line.ok()) {
            if send.send(serde_json::from_str(&line).unwrap_or(Value::Null)).is_err() {
                return;
            }
        }
    });

    let node = Node::start(&[
        ("SHOPNODE_MAIL__SMTP_URL", format!("smtp://127.0.0.1:{port}")),
        ("SHOPNODE_MAIL__SMTP_TLS", "none".to_owned()),
        ("SHOPNODE_MAIL__FROM", "shop@example.com".to_owned()),
    ])
    .await?;
    let admin = &node.api;
    orders::enable_manual(admin).await?;
    orders::sell(admin, "TEA-1", 5).await?;
    let order =
        admin.post("/store/v1/orders", &orders::order("TEA-1", 1, "manual", "invoice")).await?.expect(201)?;
    let id = order["id"].as_str().context("id")?;
    let number = order["number"].to_string();

    let confirmation = mails.recv_timeout(Duration::from_secs(30)).with_context(|| node.output())?;
    assert_eq!(confirmation["to"], json!(["ada@example.com"]));
    assert_eq!(confirmation["from"], "shop@example.com");
    assert_eq!(confirmation["defects"], json!([]));
    assert!(
        confirmation["subject"].as_str().is_some_and(|subject| subject.contains(number.trim_matches('"'))),
        "{confirmation:#}"
    );
    for part in ["text", "html"] {
        let text = confirmation[part].as_str().unwrap_or_default();
        assert!(text.contains("9.99") && text.contains("Product TEA-1"), "{part}: {text}");
    }

    let shipment = json!({"tracking": {"carrier": "DHL", "number": "JD0001"}});
    admin.post(&format!("/admin/v1/orders/{id}/fulfilments"), &shipment).await?.expect(201)?;
    let shipped = mails.recv_timeout(Duration::from_secs(30)).with_context(|| node.output())?;
    assert!(shipped["text"].as_str().is_some_and(|text| text.contains("JD0001")), "{shipped:#}");
    assert_ne!(shipped["message_id"], confirmation["message_id"]);

    // Nothing is sent twice.
    assert!(mails.recv_timeout(Duration::from_secs(3)).is_err());
    Ok(())
}
