//! One order is one trace: what its request did, what was agreed on and applied, and what was said to the card processor
//! much later, by a worker, is found under the id that the caller gave it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use shopnode_tests::{Dev, api, orders, wait};

/// The caller's span, which is nobody's but the caller's.
const CALLER: [u8; 8] = [0xca, 0x11, 0xe7, 0, 0, 0, 0, 1];
const SAMPLED: [u8; 16] = [0x5a; 16];
const NOT_SAMPLED: [u8; 16] = [0x0f; 16];

/// Spans of an order that is paid by card, from the request to the answer of the card processor.
const WANTED: [&str; 9] = [
    "http.request",
    "propose order.place",
    "apply order.place",
    "payment",
    "propose payment.mark_sending",
    "apply payment.mark_sending",
    "payment_provider_call authorize",
    "propose payment.observe",
    "apply payment.observe",
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

/// What the test needs of a span.
#[derive(Debug, Clone)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// Its name, and its command or operation.
    label: String,
}

/// An OTLP collector over HTTP: `POST /v1/traces` with protobuf. Ended when dropped.
struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (spans, stop) = (Arc::<Mutex<Vec<Span>>>::default(), Arc::<AtomicBool>::default());
        let (kept, stopped) = (spans.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                match take(stream) {
                    Ok(more) => lock(&kept).extend(more),
                    // Found by the test, which misses the spans.
                    Err(error) => eprintln!("collector: {error:#}"),
                }
            }
        });
        Ok(Self { address, spans, stop, thread: Some(thread) })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace that have come so far.
    fn of(&self, trace: [u8; 16]) -> Vec<Span> {
        lock(&self.spans).iter().filter(|span| span.trace == trace).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which is waiting for somebody to connect.
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn lock(spans: &Mutex<Vec<Span>>) -> MutexGuard<'_, Vec<Span>> {
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one request of a connection, answers it and closes.
fn take(stream: TcpStream) -> Result<Vec<Span>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(&stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the connection ended within a head: {head}");
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().context("Content-Length")?;
        }
        head += &line;
    }
    ensure!(head.starts_with("POST /v1/traces "), "not for a collector: {head}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).context("the body broke off")?;
    // An empty answer is an ExportTraceServiceResponse that complains of nothing.
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (&stream).write_all(answer.as_bytes())?;
    spans(&body).context("the body is no ExportTraceServiceRequest")
}

/// The spans of an `ExportTraceServiceRequest` (opentelemetry-proto, `trace_service.proto` and `trace.proto`).
fn spans(request: &[u8]) -> Option<Vec<Span>> {
    let mut spans = Vec::new();
    for resource in all(request, 1)? {
        for scope in all(resource, 2)? {
            for span in all(scope, 2)? {
                let text = |bytes: Vec<&[u8]>| Some(String::from_utf8_lossy(bytes.first()?).into_owned());
                let mut label = text(all(span, 5)?)?;
                for attribute in all(span, 9)? {
                    let name = text(all(attribute, 1)?)?;
                    let value = all(attribute, 2)?;
                    if matches!(name.as_str(), "command" | "operation") {
                        label = format!("{label} {}", text(all(value.first()?, 1)?)?);
                    }
                }
                let bytes = |field| Some(all(span, field)?.first().map(|id| id.to_vec()).unwrap_or_default());
                spans.push(Span { trace: bytes(1)?, id: bytes(2)?, parent: bytes(4)?, label });
            }
        }
    }
    Some(spans)
}

/// The values of a field whose values are bytes: texts and messages, too. `None` if this is no protobuf message.
fn all(mut message: &[u8], wanted: u64) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = message.split_at_checked(length)?;
        if tag == ((wanted << 3) | 2) {
            found.push(value);
        }
        message = rest;
    }
    Some(found)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
