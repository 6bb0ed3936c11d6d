//! What machines ask: alive, ready, how much of what.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use shop::Code;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::gateway::{App, Policy, Problem, Routes, json};
use crate::telemetry::metrics;
use crate::workers::census::{Census, Part};

const COUNT_EVERY: Duration = Duration::from_secs(5);
const COUNT_WITHIN: Duration = Duration::from_secs(1);

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(live), Policy::open().stateless())
        .add(routes!(ready), Policy::open().stateless())
        .add(routes!(scrape), Policy::open().stateless())
}

/// How a probe went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    #[schema(example = "ok")]
    pub status: String,
}

/// Whether the process answers at all. A node that does not should be started again.
#[utoipa::path(
    get, path = "/livez", tag = "operations", operation_id = "livez",
    responses((status = 200, description = "It runs", body = ProbeView))
)]
async fn live() -> Result<Response, Problem> {
    json(StatusCode::OK, &ProbeView { status: "ok".to_owned() }, None)
}

/// Whether the node can serve. A load balancer sends requests elsewhere while it cannot; the answer says why.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "readyz",
    responses((status = 200, description = "It can serve", body = ProbeView))
)]
async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    let reasons = app.core.unready();
    if reasons.is_empty() {
        return json(StatusCode::OK, &ProbeView { status: "ok".to_owned() }, None);
    }
    Err(Problem::new(Code::NotReady, reasons.join("; ")).retry_after(1))
}

/// Counts what waits, for the figures that nothing else keeps: one scrape at a time, and not as often as anybody may ask. What
/// takes too long is left, and the figures stay as they were: the others are worth the more then.
async fn count(app: &App) {
    let Ok(mut counted) = app.counted.try_lock() else { return };
    if counted.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
        return;
    }
    *counted = Some(Instant::now());
    let now = app.clock.now();
    let work = async {
        let (mut census, mut part) = (Census::default(), Some(Part::FIRST));
        while let Some(next) = part {
            let step = app.read_local(move |view| {
                let part = census.step(view, now, next)?;
                Ok((part, census))
            });
            (part, census) = step.await?.value;
        }
        Ok::<Census, Problem>(census)
    };
    match tokio::time::timeout(COUNT_WITHIN, work).await {
        Ok(Ok(census)) => app.metrics.shop.sample(&census),
        ended => {
            tracing::warn!(problem = ?ended.err().map(|_| "it took too long"), "what waits was not counted")
        }
    }
}

/// The metrics of this node.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "Prometheus text format, version 0.0.4", body = String, content_type = "text/plain"))
)]
async fn scrape(State(app): State<App>) -> Result<Response, Problem> {
    count(&app).await;
    match app.core.metrics_text() {
        Ok(text) => Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            Err(Problem::new(Code::Internal, "metrics could not be written"))
        }
    }
}
