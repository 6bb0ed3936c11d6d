//! Reads a request's body: as much as the route takes, in the time that the request has.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shop::Code;
use shop::catalog::ImageType;
use utoipa::ToSchema;

use super::app::App;
use super::call::Call;
use super::json;
use super::problem::Problem;

/// The longest pause between two pieces of a body.
const PAUSE: Duration = Duration::from_secs(5);

/// What a route reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`; for a PATCH also `application/merge-patch+json` (RFC 7396).
    Json,
    Form,
    Csv,
    /// An image of a format that browsers show.
    Image,
    /// A webhook: whatever the provider calls it.
    Any,
}

impl Media {
    fn accepts(self, essence: &str) -> bool {
        match self {
            Self::Json => matches!(essence, "application/json" | "application/merge-patch+json"),
            Self::Form => essence == "application/x-www-form-urlencoded",
            Self::Csv => essence == "text/csv",
            Self::Image => ImageType::parse(essence).is_some(),
            Self::Any => true,
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Csv => "text/csv",
            Self::Image => "image/png, image/jpeg, image/webp, image/gif and image/avif",
            Self::Any => "any",
        }
    }
}

/// A body as it was sent.
#[derive(Debug)]
pub struct Raw(pub Bytes);

/// A JSON body and the SHA-256 of its bytes.
#[derive(Debug)]
pub struct Json<T> {
    pub value: T,
    pub fingerprint: [u8; 32],
}

impl FromRequest<App> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let Some(call) = request.extensions().get::<Call>() else {
            return Err(Problem::new(Code::Internal, "the route has no contract"));
        };
        let contract = call.policy();
        let (media, limit) =
            (contract.media, contract.body_bytes.unwrap_or(call.app.http.body_limit_bytes as usize));
        let deadline = call.deadline;
        check_media(&request, media)?;
        let declared =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let too_large =
            || Problem::new(Code::BodyTooLarge, format!("this route takes at most {limit} bytes"));
        if declared.is_some_and(|length: u64| length > limit as u64) {
            return Err(too_large());
        }
        // A little before the request's own deadline, so that the client learns whose fault it is.
        let in_time = deadline.checked_sub(super::limits::BODY_MARGIN).unwrap_or(deadline);
        let collected = tokio::time::timeout_at(in_time.into(), collect(request.into_body(), limit)).await;
        collected.unwrap_or(Err(Failure::Late)).map(Self).map_err(|failure| match failure {
            Failure::Late => Problem::new(Code::RequestTimeout, "the body was not complete in time"),
            Failure::TooLarge => too_large(),
            Failure::Broken => {
                Problem::new(Code::BadRequest, "the body broke off or is not framed as it says")
            }
        })
    }
}

/// A body that says nothing: `{}`, or none at all.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct MaybeJson<T> {
    pub value: Option<T>,
    pub fingerprint: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<App> for MaybeJson<T> {
    type Rejection = Problem;

    /// No body is `None`; it needs no media type then.
    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let typed = request.headers().contains_key(CONTENT_TYPE);
        if request.body().is_end_stream() && !typed {
            return Ok(Self { value: None, fingerprint: Sha256::digest([]).into() });
        }
        let Raw(bytes) = Raw::from_request(request, app).await?;
        let value = if bytes.is_empty() { None } else { Some(json::read(&bytes)?) };
        Ok(Self { value, fingerprint: Sha256::digest(&bytes).into() })
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, app).await?;
        Ok(Self { value: json::read(&bytes)?, fingerprint: Sha256::digest(&bytes).into() })
    }
}

/// Why a body was not read.
enum Failure {
    Late,
    TooLarge,
    Broken,
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Failure> {
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    loop {
        // Whoever pauses for that long has gone, and holds the place of others.
        let piece = tokio::time::timeout(PAUSE, stream.next()).await.map_err(|_| Failure::Late)?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| Failure::Broken)?;
        if whole.len() + piece.len() > limit {
            return Err(Failure::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The media type of a body without its parameters; empty if none is said.
pub fn media_type(headers: &HeaderMap) -> String {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = said.and_then(|text| text.split(';').next());
    essence.map(|text| text.trim().to_ascii_lowercase()).unwrap_or_default()
}

fn check_media(request: &Request, media: Media) -> Result<(), Problem> {
    let headers = request.headers();
    if headers.get_all(CONTENT_TYPE).iter().nth(1).is_none() && media.accepts(&media_type(headers)) {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, format!("this route reads {}", media.wanted())))
}
