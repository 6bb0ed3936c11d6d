//! Accepts connections and serves HTTP/1.1 and HTTP/2 on them until told to stop; then drains.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::app::App;
use super::head_guard::{HeadGuard, HeadLimits};
use super::pipeline::Pipeline;
use crate::api::end_lost_jobs;
use crate::config::Http;

/// How long a connection may be idle between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
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
    let limits = head_limits(&app.http);
    let builder = builder(&app.http);
    let lost_jobs = tokio::spawn(end_lost_jobs(app.clone()));
    let pipeline = Pipeline::new(app);
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let io = TokioIo::new(HeadGuard::new(stream, limits));
        let connection = builder.serve_connection(io, for_peer(pipeline.clone(), peer)).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    lost_jobs.abort();
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "requests were still under way at the end of the drain time"
        );
    }
    connections.shutdown().await;
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

fn builder(http: &Http) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The guard below the library has the limits that answer; these are the ones that cannot be missed.
        .header_read_timeout(IDLE_TIMEOUT)
        .max_headers(http.header_limit_count as usize + 1)
        .max_buf_size(http.header_limit_bytes as usize + 8 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(http.header_limit_bytes)
        .max_concurrent_streams(HTTP2_STREAMS)
        .keep_alive_interval(IDLE_TIMEOUT)
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<axum::response::Response, Infallible>> + Send>>;

fn for_peer(
    pipeline: Pipeline,
    peer: SocketAddr,
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
        let pipeline = pipeline.clone();
        Box::pin(async move { Ok(pipeline.answer(request).await) }) as Answer
    })
}
