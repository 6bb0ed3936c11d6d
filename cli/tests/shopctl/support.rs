//! A shop that gives canned answers, and shopctl run against it as its users run it. Everything is bounded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that one run of shopctl may take.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// The longest that the fake waits for a request's bytes.
const READ_LIMIT: Duration = Duration::from_secs(10);
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// What the fake does with one request.
#[derive(Debug, Clone)]
pub enum Canned {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Reads the request, then closes the connection without a word.
    Drop,
    /// Announces more than it sends, then closes the connection.
    BreakOff,
    /// Reads the request, then neither answers nor closes the connection.
    Silence,
    /// Reads the request, then is gone: connections are refused from now on.
    Vanish,
}

pub fn json(status: u16, body: &str) -> Canned {
    Canned::Answer { status, headers: vec![("content-type", "application/json".into())], body: body.into() }
}

pub fn problem(status: u16, code: &str) -> Canned {
    let body = format!(
        r#"{{"type":"http://x/errors/{code}","title":"T","status":{status},"code":"{code}","detail":"what {code} is about","request_id":"req_fake"}}"#
    );
    Canned::Answer { status, headers: vec![("content-type", "application/problem+json".into())], body }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The fake. It answers by its script, and with the script's last line when that is over.
pub struct FakeShop {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeShop {
    pub fn start(script: Vec<Canned>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (received, over) = (received.clone(), over.clone());
            move || serve(&listener, &script, &received, &over)
        });
        Self { address, received, over, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The idempotency keys of all requests, in order.
    pub fn keys(&self) -> Vec<String> {
        self.received()
            .iter()
            .filter_map(|request| request.header("idempotency-key"))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for FakeShop {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, script: &[Canned], received: &Mutex<Vec<Received>>, over: &AtomicBool) {
    let mut answers = 0;
    let mut silent = Vec::new();
    for stream in listener.incoming() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(READ_LIMIT));
        let Some(request) = read_request(&mut stream) else { continue };
        received.lock().unwrap().push(request);
        let canned = script.get(answers).or(script.last());
        answers += 1;
        match canned {
            Some(Canned::Answer { status, headers, body }) => {
                let mut head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
            }
            Some(Canned::BreakOff) => {
                let _ = stream.write_all(b"HTTP/1.1 201 X\r\ncontent-length: 1000\r\n\r\n{\"id\":");
            }
            Some(Canned::Silence) => silent.push(stream),
            Some(Canned::Vanish) => return,
            Some(Canned::Drop) | None => {}
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.and_then(|(_, value)| value.parse::<usize>().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                return Some(Received { method, target, headers, body });
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 && bytes.len() < MAX_REQUEST_BYTES => {
                bytes.extend_from_slice(&buffer[..read])
            }
            _ => return None,
        }
    }
}

/// What a run of shopctl left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A user with an empty home and nothing of ours in the environment.
pub struct User {
    pub home: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl User {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.start(arguments);
        // A run that reads no input may have closed it by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        finish(child)
    }

    /// Starts shopctl; `finish` waits for it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_shopctl"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// Waits for a run of shopctl, within a bound.
pub fn finish(mut child: Child) -> Ran {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > RUN_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("shopctl did not end within {RUN_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
