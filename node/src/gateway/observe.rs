//! The outermost step: gives the request its id, its span and its clock; writes the body of problems; turns a panic
//! into a problem; logs and counts the answer.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::Method;
use http::header::{HeaderName, HeaderValue};
use shop::Code;
use shop::ids::RequestId;
use tracing::Instrument;
use tracing::field::Empty;

use super::answer;
use super::app::App;
use super::problem::{self, Answered, Problem};
use super::route::RouteName;
use crate::clock::fresh_request_id;
use crate::telemetry::{adopt, parse_traceparent};

/// Names the request in the answer, the log and the events.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("shopnode-request-id");

/// The route by which balancers ask whether the node can serve: that it cannot is no trouble of the answer.
const READINESS: &str = "/readyz";

/// What is known of a request from its first moment.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub id: RequestId,
    pub at: Instant,
}

/// Watches over everything below.
pub async fn observe(
    app: &App,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let Ok(id) = fresh_request_id(&app.clock) else {
        tracing::error!("the operating system gives no randomness: requests cannot be named");
        let problem = Problem::new(Code::Internal, "the request could not be named").into_response();
        return problem::render(problem, &app.public_base, "");
    };
    let arrival = Arrival { id, at: Instant::now() };
    let since = app.core.applied();
    request.extensions_mut().insert(arrival);
    let method = request.method().clone();
    let id = id.to_string();
    let span = tracing::info_span!(
        "http.request",
        trace_id = Empty,
        request_id = %id,
        http.request.method = %method,
        http.route = Empty,
        http.response.status_code = Empty,
    );
    let caller = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    adopt(&span, caller.and_then(parse_traceparent).as_ref());
    let _under_way = UnderWay::begin(app);
    let answer = AssertUnwindSafe(next(request)).catch_unwind().instrument(span.clone()).await;
    let answer = answer.unwrap_or_else(|_| {
        // What it said was told by the panic hook, at the place where it happened.
        span.in_scope(|| tracing::error!("a handler panicked: the request failed"));
        Problem::new(Code::Internal, "the handler failed").into_response()
    });
    let mut answer = problem::render(answer, &app.public_base, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    answer::date(app, since, &mut answer);
    span.in_scope(|| record(app, &method, &answer, arrival.at));
    answer
}

fn record(app: &App, method: &Method, answer: &Response, since: Instant) {
    let route = answer.extensions().get::<RouteName>().map_or("unmatched", |name| &*name.0);
    let code = answer.extensions().get::<Answered>().map(|answered| answered.0.as_str());
    let (status, elapsed) = (answer.status().as_u16(), since.elapsed());
    app.metrics.http.answered(route, method, answer.status(), elapsed);
    let span = tracing::Span::current();
    span.record("http.route", route).record("http.response.status_code", status);
    let elapsed_ms = elapsed.as_micros() as f64 / 1_000.0;
    // A balancer asks again and again, for as long as a node joins or drains.
    let is_told_by_a_probe = route == READINESS && code == Some(Code::NotReady.as_str());
    if status >= 500 && !is_told_by_a_probe {
        tracing::warn!(route, status, code, elapsed_ms, "answered");
    } else {
        tracing::debug!(route, status, code, elapsed_ms, "answered");
    }
}

/// Counts a request for as long as it lives, also when its connection goes away.
pub struct UnderWay<'a>(&'a App);

impl<'a> UnderWay<'a> {
    pub fn begin(app: &'a App) -> Self {
        app.metrics.http.in_flight.inc();
        Self(app)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.metrics.http.in_flight.dec();
    }
}
