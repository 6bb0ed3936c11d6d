//! What machines ask: alive, ready, how much of what.

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
use crate::workers::Census;

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

/// The metrics of this node.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "Prometheus text format, version 0.0.4", body = String, content_type = "text/plain"))
)]
async fn scrape(State(app): State<App>) -> Result<Response, Problem> {
    let now = app.clock.now();
    // A state that cannot be read, or not in time, is told in other figures, which are worth the more then.
    let counted = app.read_local(move |view| Ok(Census::take(view, now)?)).await;
    let census = counted.inspect_err(|problem| tracing::warn!(?problem, "the state was not counted")).ok();
    match app.core.metrics_text(census.as_ref().map(|seen| &seen.value)) {
        Ok(text) => Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            Err(Problem::new(Code::Internal, "metrics could not be written"))
        }
    }
}
