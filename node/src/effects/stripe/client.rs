//! One HTTP exchange with the provider: bounded in time and size, never repeated.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, redirect, retry};
use secrecy::{ExposeSecret, SecretString};

use super::API_VERSION;
use super::config::{ConfigError, StripeConfig, checked_base};
use crate::effects::provider::{CallError, IdempotencyKey, codes};

/// No answer of this protocol comes near it; what is larger is not read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// A provider that asks for more patience than this is asked again all the same.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Names and values of a form or a query, in the order in which they are sent.
pub(super) type Fields = Vec<(&'static str, String)>;

/// An answer that arrived whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    authorization: HeaderValue,
    pub(super) total_timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(config: &StripeConfig) -> Result<Self, ConfigError> {
        let (base, loopback) = checked_base(&config.base_url)?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.total_timeout)
            // A redirect would carry the key elsewhere, and a repeated POST is the reconciler's decision.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(8)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("shopnode/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ConfigError::Client)?;
        Ok(Client {
            http,
            base,
            authorization: bearer(&config.api_key)?,
            total_timeout: config.total_timeout,
        })
    }

    /// Sends a form under an idempotency key.
    pub(super) async fn post(
        &self,
        path: &str,
        form: &Fields,
        key: &IdempotencyKey,
        traceparent: Option<&str>,
    ) -> Result<Answer, CallError> {
        let key = HeaderValue::from_str(key.as_str())
            .ok()
            .filter(|value| value.len() <= 255)
            .ok_or_else(|| invalid("the idempotency key is not a header value of at most 255 bytes"))?;
        let request = self.http.post(format!("{}{path}", self.base)).header(IDEMPOTENCY_KEY, key).form(form);
        self.exchange(request, traceparent).await
    }

    /// Looks something up.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &Fields,
        traceparent: Option<&str>,
    ) -> Result<Answer, CallError> {
        self.exchange(self.http.get(format!("{}{path}", self.base)).query(query), traceparent).await
    }

    async fn exchange(
        &self,
        request: RequestBuilder,
        traceparent: Option<&str>,
    ) -> Result<Answer, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(STRIPE_VERSION, HeaderValue::from_static(API_VERSION));
        if let Some(trace) = traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(TRACEPARENT, trace);
        }
        let mut response = request.headers(headers).send().await.map_err(|error| classify(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(CallError::Unknown {
                    code: codes::MALFORMED_ANSWER.to_owned(),
                    detail: format!("the answer is larger than {MAX_ANSWER_BYTES} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, body })
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue, ConfigError> {
    let key = key.expose_secret().trim();
    if key.is_empty() {
        return Err(ConfigError::ApiKey);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ConfigError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a failed exchange proves. Before a connection stands nothing can have been done; after that anything.
fn classify(error: &reqwest::Error) -> CallError {
    let not_done = |code: &str, detail: &str| CallError::NotDone {
        code: code.into(),
        detail: detail.into(),
        observed: None,
    };
    let unknown = |code: &str, detail: &str| CallError::Unknown { code: code.into(), detail: detail.into() };
    if error.is_builder() {
        not_done(codes::INVALID_REQUEST, "the request could not be built")
    } else if error.is_connect() {
        not_done(codes::CONNECT, "no connection to the provider")
    } else if error.is_timeout() {
        unknown(codes::TIMEOUT, "no answer within the deadline")
    } else {
        unknown(codes::CONNECTION_LOST, "the connection broke before the answer was whole")
    }
}

/// Only the form in seconds: the other one (an HTTP date) needs a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// A request that cannot be sent as it is.
pub(super) fn invalid(detail: &str) -> CallError {
    CallError::NotDone { code: codes::INVALID_REQUEST.to_owned(), detail: detail.to_owned(), observed: None }
}

/// An id as a path segment. Ids of the provider are words; anything else would be another path.
pub(super) fn path_id(id: &str) -> Result<&str, CallError> {
    let word =
        !id.is_empty() && id.len() <= 255 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if word { Ok(id) } else { Err(invalid("the provider's id is not a word of at most 255 characters")) }
}
