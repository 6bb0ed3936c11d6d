//! The one way of a request through the gateway, outermost step first.

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, StatusCode, Version};
use tower::ServiceExt;

use super::app::App;
use super::problem::Problem;
use super::{authenticate, hygiene, limits, observe, rate_limit};

/// What is left of a body of so many bytes is here already when the answer is made, and is passed over.
const SMALL_BODY_BYTES: u64 = 8 * 1024;

/// A request in, an answer out: always an answer. Cheap to clone.
///
/// The steps are functions called one after the other, not layers around each other: a layer copies everything inside
/// it for every request.
#[derive(Debug, Clone)]
pub struct Pipeline {
    app: App,
    /// Each route is wrapped in `route::admit`, which authorizes by scope and checks what the document says of it.
    routes: Router,
}

impl Pipeline {
    pub fn new(app: App) -> Self {
        let (routes, _) = crate::api::router(&app);
        Self { routes: routes.with_state(app.clone()), app }
    }

    /// All steps.
    pub async fn answer(&self, request: Request) -> Response {
        let is_head = request.method() == Method::HEAD;
        let (version, is_large) = (request.version(), is_large(request.body()));
        // Names the request, writes problems, logs, counts, and survives panics.
        let mut answer = observe::observe(&self.app, request, async |request| {
            limits::limit(&self.app, request, async |request| self.admit(request).await).await
        })
        .await;
        if version <= Version::HTTP_11 && leaves_body(answer.status(), is_large) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if is_head { without_body(answer) } else { answer }
    }

    /// The last of the steps, for reads that another node has passed on after it did the others.
    pub async fn answer_peer(&self, request: Request) -> Response {
        self.answer_known(request).await.unwrap_or_else(Problem::into_response)
    }

    async fn admit(&self, mut request: Request) -> Response {
        let cleaned = hygiene::clean(&self.app, &mut request);
        let counted = match cleaned.and_then(|()| rate_limit::admit(&self.app, &request)) {
            Ok(counted) => counted,
            Err(problem) => return problem.into_response(),
        };
        let mut response = self.answer_known(request).await.unwrap_or_else(Problem::into_response);
        if let Some(standing) = counted {
            rate_limit::tell(&standing, response.headers_mut());
        }
        response
    }

    async fn answer_known(&self, mut request: Request) -> Result<Response, Problem> {
        let counted = authenticate::authenticate(&self.app, &mut request).await?;
        let answered = self.routes.clone().oneshot(request).await;
        let mut response = answered.unwrap_or_else(|never| match never {});
        if let Some(standing) = counted {
            rate_limit::tell(&standing, response.headers_mut());
        }
        Ok(response)
    }
}

fn is_large(body: &Body) -> bool {
    !body.is_end_stream() && body.size_hint().upper().is_none_or(|bytes| bytes > SMALL_BODY_BYTES)
}

/// Whether the body may not have been read to its end. The server then ends the connection, and has to say so (RFC 9112,
/// section 9.6): a client that does not know sends its next request into it.
fn leaves_body(status: StatusCode, is_large: bool) -> bool {
    matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT)
        || is_large && (status.is_client_error() || status.is_server_error())
}

/// The answer to a HEAD: the length of what a GET would get, and nothing of it (RFC 9110, section 9.3.2). The HTTP/2 server
/// sends whatever body there is.
fn without_body(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(parts, Body::empty())
}
