//! Step 1: how much, how long, how many at once. What is too much is refused before anything is looked at.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::header::CONTENT_LENGTH;
use shop::Code;

use super::app::App;
use super::observe::Arrival;
use super::problem::Problem;

/// Requests served at once; one more is answered `overloaded`. Enough to keep the disk busy with group commits, few
/// enough that each can finish within its deadline.
pub const REQUESTS_AT_ONCE: usize = 1024;
/// The longest request target.
pub const URI_BYTES: usize = 8 * 1024;
/// The largest body of any route; the route itself may allow less.
pub const LARGEST_BODY_BYTES: u64 = 10 * 1024 * 1024;

/// How long before the request's deadline its body has to be complete.
pub const BODY_MARGIN: Duration = Duration::from_millis(500);

/// When the request has to be answered.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub std::time::Instant);

/// Admits a request within the limits, and gives it a deadline.
pub async fn limit(app: &App, mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if let Err(problem) = check_size(app, &request) {
        return problem.into_response();
    }
    // An operator has to be able to see what is wrong with a node that is overloaded.
    let _slot = if is_probe(request.uri()) {
        None
    } else {
        match app.admission.clone().try_acquire_owned() {
            Ok(slot) => Some(slot),
            Err(_) => {
                let detail = format!("{REQUESTS_AT_ONCE} requests are under way");
                return Problem::new(Code::Overloaded, detail).retry_after(1).into_response();
            }
        }
    };
    let timeout = Duration::from_millis(app.http.request_timeout_ms);
    let start =
        request.extensions().get::<Arrival>().map_or_else(std::time::Instant::now, |arrival| arrival.at);
    request.extensions_mut().insert(Deadline(start + timeout));
    match tokio::time::timeout(timeout, next(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("no answer within {} ms", timeout.as_millis());
            Problem::new(Code::GatewayTimeout, detail).into_response()
        }
    }
}

fn is_probe(uri: &Uri) -> bool {
    matches!(uri.path(), "/livez" | "/readyz" | "/metrics")
}

fn check_size(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let (most_bytes, most_fields) =
        (app.http.header_limit_bytes as usize, app.http.header_limit_count as usize);
    if bytes > most_bytes || headers.len() > most_fields {
        let detail = format!("at most {most_bytes} bytes in {most_fields} header fields are read");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > URI_BYTES {
        return Err(Problem::new(Code::HeadersTooLarge, format!("the target is over {URI_BYTES} bytes")));
    }
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > LARGEST_BODY_BYTES) {
        return Err(Problem::new(Code::BodyTooLarge, format!("no body is over {LARGEST_BODY_BYTES} bytes")));
    }
    Ok(())
}
