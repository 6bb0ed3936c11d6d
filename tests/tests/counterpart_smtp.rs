//! Mail arrives at a real SMTP server, once, well formed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shopnode_tests::node::{Peer, counterpart, python};
use shopnode_tests::{Dev, Node, dev, orders};

/// A real SMTP server, and the mails that it has taken, as it reads them.
struct Sink {
    port: u16,
    mails: mpsc::Receiver<Value>,
    _server: Peer,
}

impl Sink {
    async fn start() -> Result<Self> {
        let port = dev::free_port()?;
        let mut child = Command::new(python()?)
            .arg(counterpart("smtp_sink.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("stdout")?);
        let server = Peer::on_port(child, port).await?;
        let (send, mails) = mpsc::channel::<Value>();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(|line| line.ok()) {
                if send.send(serde_json::from_str(&line).unwrap_or(Value::Null)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { port, mails, _server: server })
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    fn mail(&self) -> Result<Value> {
        Ok(self.mails.recv_timeout(Duration::from_secs(30))?)
    }

    /// Nothing is sent twice.
    fn is_quiet(&self) -> bool {
        self.mails.recv_timeout(Duration::from_secs(3)).is_err()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_and_a_shipping_note_arrive() -> Result<()> {
    let sink = Sink::start().await?;
    let node = Node::start(&[
        ("SHOPNODE_MAIL__SMTP_URL", sink.url()),
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

    let confirmation = sink.mail().with_context(|| node.output())?;
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
    let shipped = sink.mail().with_context(|| node.output())?;
    assert!(shipped["text"].as_str().is_some_and(|text| text.contains("JD0001")), "{shipped:#}");
    assert_ne!(shipped["message_id"], confirmation["message_id"]);

    assert!(sink.is_quiet());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_of_each_refund_arrives() -> Result<()> {
    let sink = Sink::start().await?;
    let url = sink.url();
    // A shop with a card processor that gives money back. Its mail goes to the real server.
    let dev =
        Dev::empty_with(&[("SHOPNODE_MAIL__SMTP_URL", &url), ("SHOPNODE_MAIL__FROM", "shop@example.com")])
            .await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 5).await?;
    let order = orders::order("TEA-1", 1, "sandbox", "card_ok");
    let order = admin.post("/store/v1/orders", &order).await?.expect(201)?;
    orders::settled(&admin, order["id"].as_str().context("id")?, "open", "paid").await?;
    let mut ids = BTreeSet::new();
    let confirmation = sink.mail().with_context(|| dev.output())?;
    ids.insert(confirmation["message_id"].to_string());
    assert!(confirmation["subject"].as_str().is_some_and(|it| it.ends_with("confirmed")), "{confirmation:#}");

    let payment = order["payment_attempt"]["id"].as_str().context("payment")?;
    let refunds = format!("/admin/v1/payments/{payment}/refunds");
    // A part of it, then all that is left.
    let part = json!({"amount": {"amount": 250, "currency": "EUR"}});
    for (body, amount) in [(part, "2.50 EUR"), (json!({}), "7.49 EUR")] {
        admin.post(&refunds, &body).await?.expect(201)?;
        let mail = sink.mail().with_context(|| dev.output())?;
        assert_eq!((&mail["to"], &mail["from"]), (&json!(["ada@example.com"]), &json!("shop@example.com")));
        assert_eq!(mail["defects"], json!([]));
        let subject = format!("order {} refunded", order["number"]);
        assert!(mail["subject"].as_str().is_some_and(|it| it.ends_with(&subject)), "{mail:#}");
        for part in ["text", "html"] {
            let text = mail[part].as_str().unwrap_or_default();
            assert!(text.contains(&format!("refunded {amount}")), "{part} without {amount}: {text}");
        }
        ids.insert(mail["message_id"].to_string());
    }
    assert_eq!(ids.len(), 3, "each mail has an id of its own: {ids:?}");
    assert!(sink.is_quiet());
    Ok(())
}
