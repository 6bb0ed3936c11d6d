//! Errors as `application/problem+json` (RFC 9457). Every layer answers with a [`Problem`]; the outermost layer writes
//! its body, because only that layer knows the request's id.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use shop::http::Problem as Body9457;
use shop::rejection::At;
use shop::{Code, Rejection};

use crate::membership::Refusal;

/// The media type of RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What is answered in place of what was asked for.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<At>,
    /// Boxed, because a problem travels in every result.
    headers: Box<HeaderMap>,
}

impl Problem {
    /// `detail` says what failed and on which object. Never a secret, never personal data.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Box::default() }
    }

    /// The same, pointing at one member of the body (RFC 6901).
    pub fn at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Rejection::at(code, pointer, detail).into()
    }

    /// Points at `name` where it points at `domain`: at what a member is called in the body where the domain calls it otherwise.
    pub fn renamed(mut self, domain: &str, name: &str) -> Self {
        for error in self.errors.iter_mut().filter(|error| error.pointer == domain) {
            error.pointer = name.to_owned();
        }
        self
    }

    /// Adds `Retry-After` (RFC 9110, section 10.2.3).
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds a header field to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status that goes with the code.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The code that says in this API what a bare status says in HTTP, for answers that a library makes.
    pub fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::HeadersTooLarge,
            status if status.is_client_error() => Code::BadRequest,
            _ => Code::Internal,
        };
        Self::new(code, code.title())
    }

    /// The body, for the request `request_id` on a server whose pages begin with `base`.
    pub(super) fn body(&self, base: &str, request_id: &str) -> Body9457 {
        let rejection =
            Rejection { code: self.code, detail: self.detail.clone(), errors: self.errors.clone() };
        let mut body = Body9457::from(&rejection).for_request(request_id);
        body.kind = format!("{base}{}", body.kind);
        body
    }
}

/// Marks an answer whose body is an error in another standard's form (RFC 6749): it is left as it is.
#[derive(Debug, Clone, Copy)]
pub struct OwnErrorBody;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.headers_mut().extend((*self.headers).clone());
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a problem into an answer that carries one, or is an error without one.
pub(super) fn render(response: Response, base: &str, request_id: &str) -> Response {
    let status = response.status();
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            if parts.extensions.get::<OwnErrorBody>().is_some() {
                return Response::from_parts(parts, body);
            }
            Problem::of_status(status)
        }
        None => return Response::from_parts(parts, body),
    };
    parts.status = problem.status();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    parts.headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Serializing strings and a number cannot fail; an empty body would still carry the status.
    let text = serde_json::to_vec(&problem.body(base, request_id)).unwrap_or_default();
    parts.extensions.insert(Answered(problem.code));
    Response::from_parts(parts, Body::from(text))
}

/// The code of a rendered problem, for logs and metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered(pub Code);

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let mut problem = Self::new(rejection.code, rejection.detail);
        problem.errors = rejection.errors;
        problem
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(refusal.code, refusal.detail);
        if problem.status() == StatusCode::SERVICE_UNAVAILABLE { problem.retry_after(1) } else { problem }
    }
}

impl From<storage::Fault> for Problem {
    /// The client learns the code; what the fault says is for the log.
    fn from(fault: storage::Fault) -> Self {
        tracing::error!(code = fault.code(), %fault, "a read of the state failed");
        Self::new(Code::StorageFault, Code::StorageFault.title()).retry_after(1)
    }
}
