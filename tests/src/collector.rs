//! A collector of traces (OpenTelemetry protocol), which keeps what it was sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// What tests need of a span.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    /// Its name, and its command or operation.
    pub label: String,
    /// The name of the node that sent it.
    pub node: String,
}

/// One request: its bytes, and what they say.
#[derive(Debug)]
struct Received {
    body: Vec<u8>,
    spans: Vec<Span>,
}

/// An OTLP collector over HTTP: `POST /v1/traces` with protobuf. Ended when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When it cannot.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (received, stop) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::<AtomicBool>::default());
        let (kept, stopped) = (received.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                match take(stream) {
                    Ok(more) => lock(&kept).push(more),
                    // The test finds out: it misses the spans.
                    Err(error) => eprintln!("collector: {error:#}"),
                }
            }
        });
        Ok(Self { address, received, stop, thread: Some(thread) })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans that have come so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.received).iter().flat_map(|received| received.spans.clone()).collect()
    }

    /// Those of one trace.
    pub fn of(&self, trace: [u8; 16]) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Everything that came, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.received).iter().flat_map(|received| received.body.clone()).collect()
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

fn lock(received: &Mutex<Vec<Received>>) -> MutexGuard<'_, Vec<Received>> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one request of a connection, answers it and closes.
fn take(stream: TcpStream) -> Result<Received> {
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
    let spans = spans(&body).context("the body is no ExportTraceServiceRequest")?;
    Ok(Received { body, spans })
}

/// The spans of an `ExportTraceServiceRequest` (opentelemetry-proto, `trace_service.proto` and `trace.proto`).
fn spans(request: &[u8]) -> Option<Vec<Span>> {
    let mut spans = Vec::new();
    for resource in all(request, 1)? {
        let described = all(resource, 1)?.concat();
        let node = attribute(&described, 1, &["service.instance.id"])?.unwrap_or_default();
        for scope in all(resource, 2)? {
            for span in all(scope, 2)? {
                let mut label = text(all(span, 5)?.first()?);
                if let Some(what) = attribute(span, 9, &["command", "operation"])? {
                    label = format!("{label} {what}");
                }
                let bytes = |field| Some(all(span, field)?.first().map(|id| id.to_vec()).unwrap_or_default());
                let node = node.clone();
                spans.push(Span { trace: bytes(1)?, id: bytes(2)?, parent: bytes(4)?, label, node });
            }
        }
    }
    Some(spans)
}

/// The text of the first of these attributes, which are in a field of a message. The outer `None` is for what is no protobuf message.
fn attribute(message: &[u8], field: u64, names: &[&str]) -> Option<Option<String>> {
    for attribute in all(message, field)? {
        let name = text(all(attribute, 1)?.first()?);
        if names.contains(&name.as_str()) {
            let value = all(attribute, 2)?;
            return Some(all(value.first()?, 1)?.first().map(|bytes| text(bytes)));
        }
    }
    Some(None)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
