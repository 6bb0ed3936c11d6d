//! One attempt: a request to one server, and what came of it.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::problem::Refusal;

/// How long one attempt may take; the deadline bounds all of them together.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    pub body: String,
    /// Whether it is the stored answer to an earlier request with the same key.
    pub replayed: bool,
}

/// What a change sends.
#[derive(Debug, Clone)]
pub enum Payload {
    Nothing,
    /// A JSON text.
    Json(String),
    /// A CSV file (RFC 4180).
    Csv(bytes::Bytes),
    /// A file of this media type.
    Image(&'static str, bytes::Bytes),
}

impl Payload {
    /// The JSON of a request type.
    pub fn json(body: &impl Serialize) -> Result<Self, Failure> {
        let text = serde_json::to_string(body);
        text.map(Self::Json)
            .map_err(|error| Failure::Usage(format!("the request cannot be written: {error}")))
    }
}

/// One request, whichever server it goes to.
pub struct Request<'a> {
    pub method: Method,
    pub path: &'a [&'a str],
    pub query: Vec<(String, String)>,
    pub payload: Payload,
    pub headers: HeaderMap,
}

/// What came of one attempt.
pub enum Seen {
    Answer(Answer),
    Refused(Refusal),
    /// No connection: the request was not sent.
    NotSent(String),
    /// It was sent (in part, perhaps), and no whole answer came.
    Lost(String),
}

/// Sends the request to this server, and reads the whole answer.
pub async fn send(
    http: &reqwest::Client,
    server: &Url,
    request: &Request<'_>,
    end: Instant,
) -> Result<Seen, Failure> {
    let remaining = end.saturating_duration_since(Instant::now());
    let url = join(server, request.path)?;
    let shown = format!("{} {}", request.method, url.path());
    let mut builder = http.request(request.method.clone(), url).headers(request.headers.clone());
    if !request.query.is_empty() {
        builder = builder.query(&request.query);
    }
    builder = match &request.payload {
        Payload::Nothing => builder.timeout(remaining.min(ATTEMPT_TIMEOUT)),
        Payload::Json(text) => builder
            .header(CONTENT_TYPE, "application/json")
            .body(text.clone())
            .timeout(remaining.min(ATTEMPT_TIMEOUT)),
        Payload::Csv(bytes) => {
            builder.header(CONTENT_TYPE, "text/csv").body(bytes.clone()).timeout(remaining)
        }
        Payload::Image(media, bytes) => {
            builder.header(CONTENT_TYPE, *media).body(bytes.clone()).timeout(remaining)
        }
    };
    let mut response = match builder.send().await {
        Ok(response) => response,
        Err(error) if error.is_builder() => {
            return Err(Failure::Usage(format!("cannot make the request: {}", cause(&error))));
        }
        Err(error) if error.is_connect() => {
            return Ok(Seen::NotSent(format!("cannot connect to {}: {}", origin(server), cause(&error))));
        }
        Err(error) => {
            return Ok(Seen::Lost(format!("{} gave no answer: {}", origin(server), cause(&error))));
        }
    };
    let status = response.status();
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = header("shopnode-request-id");
    let replayed = header("idempotent-replayed").is_some_and(|value| value == "true");
    let retry_after = header(RETRY_AFTER.as_str()).and_then(|value| value.trim().parse().ok());
    let body = match read(&mut response).await {
        Ok(body) => body,
        Err(reason) => {
            return Ok(Seen::Lost(format!("the answer of {} broke off: {reason}", origin(server))));
        }
    };
    if status.is_success() {
        let body = String::from_utf8(body)
            .map_err(|_| Failure::Unreadable("the answer is not UTF-8 text".into()))?;
        return Ok(Seen::Answer(Answer { body, replayed }));
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Seen::Refused(Refusal::read(shown, status.as_u16(), body, request_id, retry_after)))
}

/// The whole body, within its bound.
async fn read(response: &mut reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("it is larger than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A query's parameters, from the type that the server reads it as. `()` is none.
pub fn pairs(query: &impl Serialize) -> Result<Vec<(String, String)>, Failure> {
    let wrong = || Failure::Usage("the request's parameters cannot be written as a query".into());
    match serde_json::to_value(query) {
        Ok(Value::Null) => Ok(Vec::new()),
        Ok(Value::Object(members)) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name, text)),
                Value::Bool(_) | Value::Number(_) => Ok((name, value.to_string())),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

/// The URL of a path below a server's base. Each segment is one name: what it holds cannot lead elsewhere.
fn join(server: &Url, path: &[&str]) -> Result<Url, Failure> {
    if let Some(segment) = path.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
        return Err(Failure::Usage(format!("`{segment}` is no name or id")));
    }
    let mut url = server.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => {
            segments.pop_if_empty().extend(path);
        }
        Err(()) => return Err(Failure::Usage(format!("{server} is no base URL of a server"))),
    }
    Ok(url)
}

fn origin(server: &Url) -> String {
    server.origin().ascii_serialization()
}

/// The innermost reason: what the operating system, TLS or HTTP said.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let mut innermost: &dyn std::error::Error = error;
    for _ in 0..16 {
        match innermost.source() {
            Some(source) => innermost = source,
            None => break,
        }
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_base() {
        let base = Url::parse("http://shop.example/base/").unwrap();
        assert_eq!(
            join(&base, &["admin", "v1", "a/../b?c"]).unwrap().as_str(),
            "http://shop.example/base/admin/v1/a%2F..%2Fb%3Fc"
        );
        for wrong in ["", ".", ".."] {
            assert!(join(&base, &["admin", wrong]).is_err(), "{wrong}");
        }
    }
}
