//! One order is one trace: what its request did, what was agreed on and applied, and what was said to the card processor
//! much later, by a worker, is found under the id that the caller gave it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use shopnode_tests::collector::Span;
use shopnode_tests::{Collector, Dev, api, orders, wait};

/// The caller's span, which is nobody's but the caller's.
const CALLER: [u8; 8] = [0xca, 0x11, 0xe7, 0, 0, 0, 0, 1];
const SAMPLED: [u8; 16] = [0x5a; 16];
const NOT_SAMPLED: [u8; 16] = [0x0f; 16];

/// Spans of an order that is paid by card, from the request to the answer of the card processor and the mail.
const WANTED: [&str; 11] = [
    "http.request",
    "propose order.place",
    "apply order.place",
    "payment",
    "propose payment.mark_sending",
    "apply payment.mark_sending",
    "payment_provider_call authorize",
    "propose payment.observe",
    "apply payment.observe",
    // The mail that says so, by another worker.
    "notification",
    "mail_send",
];

#[tokio::test]
async fn an_order_is_one_trace_from_the_request_to_the_card_processor() -> Result<()> {
    let collector = Collector::start()?;
    let dev = Dev::empty_with(&[("SHOPNODE_TELEMETRY__OTLP_ENDPOINT", &collector.url())]).await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 5).await?;

    // Whoever does not want a trace gets none. First, so that what there is of it was sent before the other's.
    for (trace, flags) in [(NOT_SAMPLED, "00"), (SAMPLED, "01")] {
        let placed = dev
            .guest()
            .request(Method::POST, "/store/v1/orders")
            .header("Idempotency-Key", api::fresh_key())
            .header("traceparent", format!("00-{}-{}-{flags}", hex(&trace), hex(&CALLER)))
            .json(&orders::order("TEA-1", 1, "sandbox", "card_ok"));
        let placed = api::answer(placed).await?.expect(201)?;
        orders::settled(&admin, placed["id"].as_str().context("id")?, "open", "paid").await?;
    }

    let seen = || collector.of(SAMPLED);
    let complete = wait::until("all spans of the order", Duration::from_secs(30), || async {
        let spans = seen();
        let labels: BTreeSet<&str> = spans.iter().map(|span| span.label.as_str()).collect();
        let ids: BTreeSet<&[u8]> = spans.iter().map(|span| span.id.as_slice()).collect();
        let hangs = |span: &Span| span.parent == CALLER || ids.contains(span.parent.as_slice());
        (WANTED.iter().all(|label| labels.contains(label)) && spans.iter().all(hangs)).then_some(())
    });
    complete.await.with_context(|| format!("{:#?}\n{}", seen(), dev.output()))?;

    let spans = seen();
    let of_caller: Vec<&Span> = spans.iter().filter(|span| span.parent == CALLER).collect();
    assert!(of_caller.len() == 1 && of_caller[0].label == "http.request", "{of_caller:#?}");
    assert!(collector.of(NOT_SAMPLED).is_empty(), "{:#?}", collector.of(NOT_SAMPLED));
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
