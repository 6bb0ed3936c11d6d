//! Accepts connections and serves HTTP/1.1 and HTTP/2 on them until told to stop; then drains.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::head_guard::{HeadGuard, HeadLimits};
use super::idle::{IdleLimits, IdleTimer};
use super::limits::URI_BYTES;
use super::pipeline::Pipeline;
use crate::api::end_lost_jobs;
use crate::config::Http;

/// How long a client has to go once it was told to: a round trip in HTTP/2.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// HTTP/2 streams of one connection at a time (RFC 9113, section 6.5.2, recommends at least 100).
const HTTP2_STREAMS: u32 = 128;
/// A pause after a failed accept (too many open files, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves `app` on `listener` until `shutdown` is done. Then no connection is accepted any more, requests under way get
/// `http.drain_timeout_ms` to finish, and what is left is cut.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) {
    let drain = Duration::from_millis(app.http.drain_timeout_ms);
    let slots = Arc::new(Semaphore::new(app.http.connections as usize));
    let (head_limits, idle_limits) = (head_limits(&app.http), idle_limits(&app.http));
    let builder = builder(&app.http);
    let lost_jobs = tokio::spawn(end_lost_jobs(app.clone()));
    let pipeline = Pipeline::new(app);
    let stop = CancellationToken::new();
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let idle = IdleTimer::start(idle_limits);
        let io = TokioIo::new(HeadGuard::new(stream, head_limits, Arc::clone(&idle)));
        let service = for_peer(pipeline.clone(), peer, Arc::clone(&idle));
        let connection = builder.serve_connection(io, service).into_owned();
        let stop = stop.clone();
        connections.spawn(async move {
            if let Err(error) = run(connection, &idle, &stop).await {
                tracing::debug!(%peer, %error, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    lost_jobs.abort();
    stop.cancel();
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, all).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "requests were still under way at the end of the drain time"
        );
    }
    connections.shutdown().await;
}

/// Serves a connection until its peer, `stop` or the end of its time ends it. A request under way is answered first.
async fn run<C: GracefulConnection>(
    connection: C,
    idle: &IdleTimer,
    stop: &CancellationToken,
) -> Result<(), C::Error> {
    tokio::pin!(connection);
    // The connection first: what has come in time is served.
    tokio::select! {
        biased;
        ended = &mut connection => return ended,
        () = stop.cancelled() => {}
        () = idle.over() => {}
    }
    // HTTP/2 says that it ends, so that a client knows of a request on its way whether it was served.
    connection.as_mut().graceful_shutdown();
    idle.allow(CLOSE_TIME);
    tokio::select! {
        biased;
        ended = connection => ended,
        () = idle.over() => Ok(()),
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and written whole: waiting to fill a segment only delays them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, slot))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn head_limits(http: &Http) -> HeadLimits {
    HeadLimits {
        bytes: http.header_limit_bytes as usize,
        fields: http.header_limit_count as usize,
        timeout: Duration::from_millis(http.header_timeout_ms),
    }
}

fn idle_limits(http: &Http) -> IdleLimits {
    IdleLimits {
        first: Duration::from_millis(http.header_timeout_ms),
        idle: Duration::from_millis(http.idle_timeout_ms),
        answer: Duration::from_millis(http.request_timeout_ms),
    }
}

fn builder(http: &Http) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The guard below the library has the limits that answer; these are the ones that cannot be missed.
        // The time is kept in `idle`, for both versions: the library's begins only when it knows which one it is.
        .header_read_timeout(None)
        .max_headers(http.header_limit_count as usize + 1)
        .max_buf_size(http.header_limit_bytes as usize + 8 * 1024);
    builder.http2().max_header_list_size(header_list_bytes(http)).max_concurrent_streams(HTTP2_STREAMS);
    builder
}

/// What the library reads of an HTTP/2 header list. It answers a longer one itself, without a problem: what is only over
/// our limits has to come through, with the target, and with what a field counts there besides its text (RFC 9113,
/// section 6.5.2).
fn header_list_bytes(http: &Http) -> u32 {
    2 * http.header_limit_bytes + 32 * http.header_limit_count + URI_BYTES as u32
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<axum::response::Response, Infallible>> + Send>>;

fn for_peer(
    pipeline: Pipeline,
    peer: SocketAddr,
    idle: Arc<IdleTimer>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = Infallible,
    Future = Answer,
> + Send
+ 'static {
    hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let (pipeline, idle) = (pipeline.clone(), Arc::clone(&idle));
        Box::pin(async move {
            let _serving = idle.serving();
            Ok(pipeline.answer(request).await)
        }) as Answer
    })
}
