//! One order is one trace: what its request did, what was agreed on and applied, and what was said to the card processor
//! much later, by a worker, is found under the id that the caller gave it. So it is when another node leads than the one that was asked.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use shopnode_tests::collector::Span;
use shopnode_tests::dev::NodeEntry;
use shopnode_tests::{Api, Collector, Dev, api, orders, wait};

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
        buy(&dev.guest(), &admin, trace, flags).await?;
    }
    let spans = whole(&collector, &[]).await.with_context(|| dev.output())?;
    from_the_caller(&spans)?;
    assert!(collector.of(NOT_SAMPLED).is_empty(), "{:#?}", collector.of(NOT_SAMPLED));
    Ok(())
}

#[tokio::test]
async fn the_hop_to_the_leader_is_in_the_order_s_trace() -> Result<()> {
    let collector = Collector::start()?;
    let dev = Dev::cluster(3, &[("SHOPNODE_TELEMETRY__OTLP_ENDPOINT", &collector.url())]).await?;
    orders::sell(&dev.admin(), "TEA-1", 5).await?;
    let names = dev.file.nodes.iter().map(name).collect::<Result<Vec<_>>>()?;
    let leads = dev.admin().get("/admin/v1/cluster").await?.expect(200)?["leader"].clone();
    let leader = dev.file.nodes.iter().position(|node| leads == node.id).context("a leader")?;
    let asked = (leader + 1) % 3;
    let admin = dev.admin_at(asked);
    buy(&admin.with_token(None), &admin, SAMPLED, "01").await?;

    let everywhere: Vec<_> = names.iter().map(|node| ("apply order.place", node.as_str())).collect();
    let spans = whole(&collector, &everywhere).await.with_context(|| dev.output())?;
    from_the_caller(&spans)?;
    let one = |label: &str| -> Result<&Span> {
        let found: Vec<&Span> = spans.iter().filter(|span| span.label == label).collect();
        ensure!(found.len() == 1, "{} spans are called {label}: {spans:#?}", found.len());
        Ok(found[0])
    };
    let (request, proposed, forwarded) =
        (one("http.request")?, one("propose order.place")?, one("forwarded order.place")?);
    let nodes = (&request.node, &proposed.node, &forwarded.node);
    ensure!(nodes == (&names[asked], &names[asked], &names[leader]), "{nodes:?}: {spans:#?}");
    // What travels is the request's span, the same for every attempt.
    ensure!(proposed.parent == request.id && forwarded.parent == request.id, "{spans:#?}");
    Ok(())
}

/// What a node of a development shop is called: as its directory.
fn name(node: &NodeEntry) -> Result<String> {
    let name = node.data.file_name().context("a directory")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Pays for an order by card, under the caller's trace.
async fn buy(guest: &Api, admin: &Api, trace: [u8; 16], flags: &str) -> Result<()> {
    let placed = guest
        .request(Method::POST, "/store/v1/orders")
        .header("Idempotency-Key", api::fresh_key())
        .header("traceparent", format!("00-{}-{}-{flags}", hex(&trace), hex(&CALLER)))
        .json(&orders::order("TEA-1", 1, "sandbox", "card_ok"));
    let placed = api::answer(placed).await?.expect(201)?;
    orders::settled(admin, placed["id"].as_str().context("id")?, "open", "paid").await?;
    Ok(())
}

/// Waits until the collector has all spans of the order, and these of these nodes, and each hangs on another one or on the caller's.
async fn whole(collector: &Collector, besides: &[(&str, &str)]) -> Result<Vec<Span>> {
    let complete = wait::until("all spans of the order", Duration::from_secs(30), || async {
        let spans = collector.of(SAMPLED);
        let labels: BTreeSet<&str> = spans.iter().map(|span| span.label.as_str()).collect();
        let ids: BTreeSet<&[u8]> = spans.iter().map(|span| span.id.as_slice()).collect();
        let hangs = |span: &Span| span.parent == CALLER || ids.contains(span.parent.as_slice());
        let is_there =
            |(label, node): &(&str, &str)| spans.iter().any(|it| it.label == *label && it.node == *node);
        let is_whole = WANTED.iter().all(|label| labels.contains(label)) && besides.iter().all(is_there);
        (is_whole && spans.iter().all(hangs)).then_some(spans.clone())
    });
    complete.await.with_context(|| format!("{:#?}", collector.of(SAMPLED)))
}

/// The request, and nothing else, hangs on the caller's span.
fn from_the_caller(spans: &[Span]) -> Result<()> {
    let of_caller: Vec<&Span> = spans.iter().filter(|span| span.parent == CALLER).collect();
    ensure!(of_caller.len() == 1 && of_caller[0].label == "http.request", "{of_caller:#?}");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
