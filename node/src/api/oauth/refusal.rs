//! Why there is no token, in the words of RFC 6749.

use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::gateway::{OwnErrorBody, Problem, json};

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenErrorView {
    #[schema(example = "invalid_client")]
    pub error: String,
    pub error_description: String,
}

/// A refusal in the words of RFC 6749.
pub(super) struct Refused {
    pub status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl Refused {
    pub const fn new(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    /// Whatever is wrong with the client or its secret: the same words.
    pub const fn client() -> Self {
        let description = "the client is unknown or revoked, or its secret is wrong";
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description }
    }

    pub fn answer(self) -> Result<Response, Problem> {
        let body = TokenErrorView { error: self.error.into(), error_description: self.description.into() };
        let mut response = without_cache(json(self.status, &body, None)?);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"shopnode\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(OwnErrorBody);
        Ok(response)
    }
}

/// A token, or word of one, is kept by no cache (section 5.1).
pub(super) fn without_cache(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
