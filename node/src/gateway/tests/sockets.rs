//! Over a real socket: slow clients, ambiguous framing, draining.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::client::conn::http2::SendRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::gateway::serve;
use crate::gateway::testing::Bench;

/// No test waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    bench: Bench,
}

impl Server {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let bench = Bench::with(change);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, bench.app.clone(), shutdown));
        Self { address, stop: Some(stop), task, bench }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// An HTTP/2 client, and its connection's end.
    async fn http_2(&self) -> (SendRequest<Body>, JoinHandle<hyper::Result<()>>) {
        let stream = hyper_util::rt::TokioIo::new(self.connect().await);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (client, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
        (client, tokio::spawn(connection))
    }

    /// That there is a place for another connection.
    async fn check_place(&self) {
        let answer = self.exchange(format!("GET /livez HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// All that comes back until the connection is closed.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_all(&mut stream).await
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection is closed");
    read.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn check(answer: &str, status: &str, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    assert!(
        answer.contains("application/problem+json") && answer.contains("shopnode-request-id: req_"),
        "{answer}"
    );
}

const CLOSE: &str = "Host: shop\r\nConnection: close\r\n";

#[tokio::test]
async fn ambiguous_framing_is_refused_as_a_problem() {
    let server = Server::start(|_| {}).await;
    for fields in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0, 0\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Host: other\r\n",
        "A : b\r\n",
        "A: b\n",
    ] {
        let request = format!(
            "GET /livez HTTP/1.1\r\nHost: shop\r\n{fields}\r\nGET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n"
        );
        let answer = server.exchange(request.as_bytes()).await;
        check(&answer, "400", "bad_request");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "nothing after it is read: {answer}");
    }
    let answer = server.exchange(b"GET /livez HTTP/1.1\r\n\r\n").await;
    check(&answer, "400", "bad_request");
    let answer = server.exchange(b"nonsense\r\n\r\n").await;
    check(&answer, "400", "bad_request");
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_before_it() {
    let server = Server::start(|_| {}).await;
    let answer = server
        .exchange(
            b"GET /livez HTTP/1.1\r\nHost: shop\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    check(&answer[answer.rfind("HTTP/1.1 ").unwrap()..], "400", "bad_request");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_so() {
    let server = Server::start(|config| {
        config.http.header_limit_bytes = 8 * 1024;
        config.http.header_limit_count = 16;
    })
    .await;
    let long = format!("GET /livez HTTP/1.1\r\n{CLOSE}A: {}\r\n\r\n", "x".repeat(9_000));
    check(&server.exchange(long.as_bytes()).await, "431", "headers_too_large");
    let endless = format!("GET /livez HTTP/1.1\r\n{CLOSE}A: {}", "x".repeat(9_000));
    check(&server.exchange(endless.as_bytes()).await, "431", "headers_too_large");
    let many = format!("GET /livez HTTP/1.1\r\n{CLOSE}{}\r\n", "A: b\r\n".repeat(17));
    check(&server.exchange(many.as_bytes()).await, "431", "headers_too_large");
}

#[tokio::test]
async fn a_slow_head_is_told_so() {
    let server = Server::start(|config| config.http.header_timeout_ms = 500).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHo").await.unwrap();
    check(&read_all(&mut stream).await, "408", "request_timeout");
}

#[tokio::test]
async fn a_slow_body_is_told_so_and_does_not_stop_others() {
    let server = Server::start(|config| config.http.request_timeout_ms = 800).await;
    let head = format!(
        "POST /admin/v1/categories HTTP/1.1\r\n{CLOSE}Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
        server.bench.admin
    );
    for framing in ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n64\r\n{"] {
        let mut slow = server.connect().await;
        slow.write_all(format!("{head}{framing}").as_bytes()).await.unwrap();
        let other = server.exchange(format!("GET /livez HTTP/1.1\r\n{CLOSE}\r\n").as_bytes()).await;
        assert!(other.starts_with("HTTP/1.1 200"), "{other}");
        check(&read_all(&mut slow).await, "408", "request_timeout");
    }
}

#[tokio::test]
async fn a_broken_chunked_body_is_told_so() {
    let server = Server::start(|config| config.http.request_timeout_ms = 2_000).await;
    let request = format!(
        "POST /admin/v1/categories HTTP/1.1\r\n{CLOSE}Authorization: Bearer {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        server.bench.admin
    );
    check(&server.exchange(request.as_bytes()).await, "400", "bad_request");
}

#[tokio::test]
async fn bodies_pass_whole_and_connections_are_used_again() {
    let server = Server::start(|_| {}).await;
    let mut stream = server.connect().await;
    for (n, framing) in ["sized", "chunked", "sized"].into_iter().enumerate() {
        let body = format!(r#"{{"title": "Tea {n}"}}"#);
        let framed = match framing {
            "sized" => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
            _ => format!(
                "Transfer-Encoding: chunked\r\n\r\n3\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                &body[..3],
                body.len() - 3,
                &body[3..]
            ),
        };
        let request = format!(
            "POST /admin/v1/categories HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{framed}",
            server.bench.admin
        );
        // In small pieces: heads and chunks are found wherever they are cut.
        for piece in request.as_bytes().chunks(7) {
            stream.write_all(piece).await.unwrap();
        }
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

/// The answer to a GET over HTTP/2.
async fn get(client: &mut SendRequest<Body>, path: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().uri(format!("http://shop{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let answer = client.send_request(request.body(Body::empty()).unwrap());
    tokio::time::timeout(PATIENCE, answer).await.expect("an answer").unwrap().map(Body::new)
}

#[tokio::test]
async fn http_2_is_served_too() {
    let server = Server::start(|_| {}).await;
    let (mut client, _connection) = server.http_2().await;
    let response = get(&mut client, "/nowhere", &[]).await;
    assert_eq!((response.status().as_u16(), response.version()), (404, http::Version::HTTP_2));
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_header_list_that_is_too_large_is_told_so() {
    let server = Server::start(|config| {
        config.http.header_limit_bytes = 8 * 1024;
        config.http.header_limit_count = 16;
    })
    .await;
    let (mut client, _connection) = server.http_2().await;
    let (long, longer) = ("x".repeat(8 * 1024), "x".repeat(15 * 1024));
    for fields in [vec![("a", &*long)], vec![("a", &*longer)], vec![("a", "b"); 17]] {
        let response = get(&mut client, "/livez", &fields).await;
        assert_eq!(response.status().as_u16(), 431);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["code"], "headers_too_large");
    }
    let whole = "x".repeat(7 * 1024);
    assert_eq!(get(&mut client, "/livez", &[("a", &whole)]).await.status().as_u16(), 200);
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let mut server = Server::start(|_| {}).await;
    let closed = server.bench.core.gate.clone().write_owned().await;
    let mut stream = server.connect().await;
    let body = r#"{"title": "Tea"}"#;
    let request = format!(
        "POST /admin/v1/categories HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.bench.admin,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    while server.bench.app.metrics.http.in_flight.get() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _ = server.stop.take().unwrap().send(());
    // The listener closes at once; the request goes on.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(closed);
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    tokio::time::timeout(PATIENCE, server.task).await.expect("the server ends").unwrap();
}

#[tokio::test]
async fn what_is_left_at_the_end_of_the_drain_time_is_cut() {
    let mut server = Server::start(|config| config.http.drain_timeout_ms = 50).await;
    let _closed = server.bench.core.gate.clone().write_owned().await;
    let mut stream = server.connect().await;
    let idle = server.connect().await;
    let request = format!(
        "POST /admin/v1/categories HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{{\"title\": \"Te\"}}",
        server.bench.admin
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    while server.bench.app.metrics.http.in_flight.get() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _ = server.stop.take().unwrap().send(());
    tokio::time::timeout(PATIENCE, server.task).await.expect("the server ends").unwrap();
    drop(idle);
    assert_eq!(server.bench.app.metrics.http.in_flight.get(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_so_to_who_still_sends_it() {
    let server = Server::start(|_| {}).await;
    let size = 8 * 1024 * 1024;
    let head = format!(
        "POST /admin/v1/categories HTTP/1.1\r\n{CLOSE}Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n",
        server.bench.admin
    );
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of it, before the answer is looked at: a reset on the way would lose the answer.
    for _ in 0..size / 65_536 {
        stream.write_all(&[b' '; 65_536]).await.unwrap();
    }
    check(&read_all(&mut stream).await, "413", "body_too_large");
}

/// Of an answer to a request that wants the connection to stay: whether it says that the connection ends.
async fn says_that_it_ends(server: &Server, fields: &str, body: &[u8], status: &str) -> bool {
    let head = format!(
        "POST /admin/v1/categories HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).to_ascii_lowercase();
    assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
    answer.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn an_answer_that_leaves_the_body_says_that_the_connection_ends() {
    let server = Server::start(|_| {}).await;
    let admin = format!("Authorization: Bearer {}\r\n", server.bench.admin);
    let (small, large, too_large) = (vec![b' '; 100], vec![b' '; 100_000], vec![b' '; 2 << 20]);
    assert!(says_that_it_ends(&server, &admin, &too_large, "413").await);
    assert!(says_that_it_ends(&server, "", &large, "401").await);
    assert!(!says_that_it_ends(&server, "", &small, "401").await);
    assert!(!says_that_it_ends(&server, &admin, &small, "400").await);
    let whole = format!(r#"{{"title": "Tea"}}{}"#, " ".repeat(100_000));
    assert!(!says_that_it_ends(&server, &admin, whole.as_bytes(), "201").await);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A SETTINGS frame that changes nothing.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Has a server with one place, taken by a peer that says `said` and then nothing; and waits for that place.
async fn who_falls_silent_goes(said: &[u8], change: fn(&mut Config)) -> String {
    let server = Server::start(|config| {
        config.http.connections = 1;
        change(config);
    })
    .await;
    let mut silent = server.connect().await;
    silent.write_all(said).await.unwrap();
    server.check_place().await;
    let mut heard = Vec::new();
    let _ = silent.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn who_never_asks_does_not_keep_the_place_of_others() {
    let change: fn(&mut Config) = |config| config.http.header_timeout_ms = 300;
    let begun = [PREFACE, SETTINGS].concat();
    let (nothing, half, preface, settings) = tokio::join!(
        who_falls_silent_goes(b"", change),
        who_falls_silent_goes(&PREFACE[..16], change),
        who_falls_silent_goes(PREFACE, change),
        who_falls_silent_goes(&begun, change),
    );
    assert_eq!((&*nothing, &*half), ("", ""), "nobody asked");
    assert!(!preface.contains("HTTP/1.1") && !settings.contains("HTTP/1.1"));
}

#[tokio::test]
async fn who_asks_no_more_does_not_keep_the_place_of_others() {
    let change: fn(&mut Config) = |config| config.http.idle_timeout_ms = 300;
    let answer = who_falls_silent_goes(b"GET /livez HTTP/1.1\r\nHost: shop\r\n\r\n", change).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let server = Server::start(change).await;
    let (mut client, connection) = server.http_2().await;
    assert_eq!(get(&mut client, "/livez", &[]).await.status().as_u16(), 200);
    let ended = tokio::time::timeout(PATIENCE, connection).await.expect("the connection ends");
    ended.unwrap().expect("it is said that it ends, it does not break off");
}

/// Far more than the kernel keeps for who does not read.
const MANY_DOCUMENTS: usize = 128;

#[tokio::test]
async fn who_does_not_read_does_not_keep_the_place_of_others() {
    // A GET of the document, in HPACK's words.
    let fields = [&[0x82, 0x86, 0x04, 13], &b"/openapi.json"[..], &[0x01, 4], b"shop"].concat();
    let frame = [&[0, 0, fields.len() as u8, 1, 5, 0, 0, 0, 1], &*fields].concat();
    let http_2 = [PREFACE, SETTINGS, &frame].concat();
    let http_1 = b"GET /openapi.json HTTP/1.1\r\nHost: shop\r\n\r\n".repeat(MANY_DOCUMENTS);
    let close = [&*http_1, format!("GET /openapi.json HTTP/1.1\r\n{CLOSE}\r\nGET").as_bytes()].concat();
    for asked in [http_2, http_1, close] {
        let server = Server::start(|config| {
            config.http.connections = 1;
            config.http.idle_timeout_ms = 300;
        })
        .await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut deaf = socket.connect(server.address).await.unwrap();
        deaf.write_all(&asked).await.unwrap();
        server.check_place().await;
        drop(deaf);
    }
}

#[tokio::test]
async fn a_request_that_takes_long_is_not_cut() {
    let server = Server::start(|config| {
        config.http.header_timeout_ms = 100;
        config.http.idle_timeout_ms = 100;
    })
    .await;
    let closed = server.bench.core.gate.clone().write_owned().await;
    let body = r#"{"title": "Tea"}"#;
    let request = format!(
        "POST /admin/v1/categories HTTP/1.1\r\n{CLOSE}Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.bench.admin,
        body.len()
    );
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    // Longer than it takes to end a connection on which nothing happens.
    let quiet = tokio::time::timeout(Duration::from_millis(2_500), read_all(&mut stream)).await;
    assert!(quiet.is_err(), "{quiet:?}");
    drop(closed);
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
