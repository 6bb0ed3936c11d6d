//! Answers: of what was carried out, from the stored outcome alone; of what was read, with its index and tag.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use serde::Serialize;
use shop::http::etag;
use shop::{Code, Reply};

use super::app::App;
use super::call::Call;
use super::conditional::{body_tag, tagged};
use super::idempotency::REPLAYED;
use super::problem::Problem;
use super::rendered::Shown;

/// The applied index that an answer reflects; of a refusal, and of what does not come from the state, one that it
/// reflects at least.
pub const INDEX: HeaderName = HeaderName::from_static("shopnode-index");
/// Milliseconds since this node last heard from the leader, or as the leader from a majority: how old the state that the
/// answer shows can be. Not told before it has heard from one.
pub const LAG: HeaderName = HeaderName::from_static("shopnode-lag");

/// Says how fresh an answer is, where it does not say so itself. `since` is what this node had applied when the request
/// came.
pub fn date(app: &App, since: u64, answer: &mut Response) {
    let headers = answer.headers_mut();
    headers.entry(INDEX).or_insert_with(|| HeaderValue::from(since));
    if !headers.contains_key(LAG)
        && let Some(silence) = app.core.silence()
    {
        headers.insert(LAG, HeaderValue::from(silence.as_millis() as u64));
    }
}

/// What was read, and at which index.
#[derive(Debug)]
pub struct Seen<T> {
    pub value: T,
    pub index: u64,
}

/// A command that was carried out, now or by an earlier request with the same key.
#[derive(Debug)]
pub struct Done {
    pub outcome: shop::Outcome,
    pub index: u64,
    pub at: shop::Timestamp,
    pub replayed: bool,
}

impl Done {
    pub(super) fn of(reply: Reply) -> Result<Self, Problem> {
        match reply.result {
            Ok(outcome) => Ok(Self { outcome, index: reply.index, at: reply.at, replayed: reply.replayed }),
            Err(rejection) => Err(Problem::from(rejection).header(INDEX, HeaderValue::from(reply.index))),
        }
    }

    /// Answers with `value`, which must be made of the outcome alone, so that a repetition gets the same bytes.
    ///
    /// # Errors
    /// `internal` when the value cannot be written.
    pub fn answer(&self, status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
        let mut response = json(status, value, Some(self.index))?;
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    /// 201 with the place of what was made.
    ///
    /// # Errors
    /// As [`Done::answer`].
    pub fn created(&self, location: &str, value: &impl Serialize) -> Result<Response, Problem> {
        let mut response = self.answer(StatusCode::CREATED, value)?;
        if let Ok(location) = HeaderValue::from_str(location) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    /// 204.
    pub fn no_content(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(INDEX, HeaderValue::from(self.index));
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl<T: Serialize> Seen<T> {
    /// 200 with what was read, private to the caller.
    ///
    /// # Errors
    /// `internal` when the value cannot be written.
    pub fn answer(&self) -> Result<Response, Problem> {
        json(StatusCode::OK, &self.value, Some(self.index))
    }

    /// 200 with a tag of the revision, or 304.
    ///
    /// # Errors
    /// As [`Seen::answer`].
    pub fn answer_revision(&self, revision: u64, call: &Call) -> Result<Response, Problem> {
        tagged(self.answer()?, &etag(revision), &call.headers)
    }

    /// 200 with a tag of the body, or 304: for the catalogue, which caches may keep as long as they ask again.
    ///
    /// # Errors
    /// As [`Seen::answer`].
    pub fn answer_public(&self, call: &Call) -> Result<Response, Problem> {
        let shown = Shown::of(&self.value)?;
        Seen { value: shown, index: self.index }.answer_shown(call)
    }
}

impl Seen<Shown> {
    /// As [`Seen::answer_public`], of what was written before.
    ///
    /// # Errors
    /// As [`Seen::answer`].
    pub fn answer_shown(self, call: &Call) -> Result<Response, Problem> {
        let Shown { body, tag } = self.value;
        let mut response = respond(StatusCode::OK, body, Some(self.index));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        tagged(response, &tag, &call.headers)
    }
}

impl Shown {
    /// # Errors
    /// `internal` when the value cannot be written.
    pub fn of(value: &impl Serialize) -> Result<Shown, Problem> {
        let body = to_json(value)?;
        let tag = body_tag(&body);
        Ok(Shown { body: body.into(), tag })
    }
}

/// Tags an answer that shows a resource as it is now.
pub trait Tagged: Sized {
    /// With the strong tag of its revision.
    ///
    /// # Errors
    /// None: a result, so that it can end a handler.
    fn tagged(self, revision: u64) -> Result<Self, Problem>;
}

impl Tagged for Response {
    fn tagged(mut self, revision: u64) -> Result<Self, Problem> {
        if let Ok(value) = HeaderValue::from_str(&etag(revision)) {
            self.headers_mut().insert(ETAG, value);
        }
        Ok(self)
    }
}

/// An outcome that is not the command's: a fault of this program.
pub fn unexpected(outcome: &shop::Outcome) -> Problem {
    tracing::error!(kind = ?std::mem::discriminant(outcome), "a command has answered with an outcome of another one");
    Problem::new(Code::Internal, "the outcome is not the command's")
}

/// A JSON answer; with `index` when it comes from the state.
///
/// # Errors
/// `internal` when the value cannot be written.
pub fn json(status: StatusCode, value: &impl Serialize, index: Option<u64>) -> Result<Response, Problem> {
    Ok(respond(status, to_json(value)?, index))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::new(Code::Internal, "the answer could not be written")
    })
}

fn respond(status: StatusCode, body: impl Into<Body>, index: Option<u64>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(index) = index {
        headers.insert(INDEX, HeaderValue::from(index));
    }
    response
}
