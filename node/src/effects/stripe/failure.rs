//! What an answer with an error status proves.
//!
//! Source: <https://docs.stripe.com/error-low-level>.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::Answer;
use super::objects::{Intent, Malformed, brief, clean_code};
use crate::effects::provider::{CallError, Observed, Source, codes};

/// What came of a call, one step before it becomes a result.
#[derive(Debug)]
pub(super) enum Verdict<T> {
    /// The object that was asked for.
    Done(T),
    /// The bank refused (402). The payment is there where the answer showed it.
    Declined { code: String, detail: String, observed: Option<Box<Observed>> },
}

impl<T> Verdict<T> {
    /// For calls in which a refusal by the bank is a failure like any other.
    pub(super) fn or_not_done(self) -> Result<T, CallError> {
        match self {
            Verdict::Done(object) => Ok(object),
            Verdict::Declined { code, detail, observed } => {
                Err(CallError::NotDone { code, detail, observed })
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct ErrorAnswer {
    error: ErrorObject,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorObject {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    payment_intent: Option<Box<Intent>>,
}

/// Reads an answer: the object, a refusal, or a failure of the right kind.
pub(super) fn judge<T: DeserializeOwned>(answer: Answer, source: &Source) -> Result<Verdict<T>, CallError> {
    if (200..300).contains(&answer.status) {
        let object = serde_json::from_slice(&answer.body)
            .map_err(|error| malformed(&Malformed(format!("{} answer: {error}", answer.status))))?;
        return Ok(Verdict::Done(object));
    }
    let error = serde_json::from_slice::<ErrorAnswer>(&answer.body).map(|it| it.error).unwrap_or_default();
    let provider_code = error.decline_code.as_deref().or(error.code.as_deref()).or(error.kind.as_deref());
    let code = provider_code.map_or_else(|| format!("http_{}", answer.status), clean_code);
    let detail = brief(error.message.as_deref().unwrap_or("no message"));
    let mismatch = error.kind.as_deref() == Some("idempotency_error");
    let observed =
        || error.payment_intent.and_then(|intent| intent.observed(source.clone()).ok()).map(Box::new);
    Err(match answer.status {
        429 => CallError::RetryLater { code: codes::RATE_LIMITED.to_owned(), after: answer.retry_after },
        409 => CallError::Unknown { code: codes::IN_PROGRESS.to_owned(), detail },
        // The first request under this key was another one, and may have been carried out.
        400..=499 if mismatch => CallError::Unknown { code: codes::IDEMPOTENCY_MISMATCH.to_owned(), detail },
        402 => return Ok(Verdict::Declined { code, detail, observed: observed() }),
        401 | 403 => CallError::NotDone { code: codes::UNAUTHORIZED.to_owned(), detail, observed: None },
        // A proxy's timeout, and Stripe's "failed dependency": both after the request was taken.
        408 | 424 | 499 => CallError::Unknown { code: codes::PROVIDER_ERROR.to_owned(), detail },
        400..=498 => CallError::NotDone { code, detail, observed: observed() },
        status => CallError::Unknown {
            code: codes::PROVIDER_ERROR.to_owned(),
            detail: format!("HTTP {status}: {detail}"),
        },
    })
}

/// An answer that says it was done but not what: the outcome is unknown.
pub(super) fn malformed(error: &Malformed) -> CallError {
    CallError::Unknown { code: codes::MALFORMED_ANSWER.to_owned(), detail: brief(&error.to_string()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::{Verdict, judge};
    use crate::effects::provider::{CallError, Source};
    use crate::effects::stripe::client::Answer;

    /// `not_done`, `unknown`, `later`, `declined` or `done`, and the code.
    fn verdict(status: u16, body: &str) -> String {
        let answer =
            Answer { status, retry_after: Some(Duration::from_secs(3)), body: body.as_bytes().to_vec() };
        match judge::<Value>(answer, &Source::Answer) {
            Ok(Verdict::Done(_)) => "done".to_owned(),
            Ok(Verdict::Declined { code, .. }) => format!("declined {code}"),
            Err(CallError::NotDone { code, .. }) => format!("not_done {code}"),
            Err(CallError::Unknown { code, .. }) => format!("unknown {code}"),
            Err(CallError::RetryLater { after, .. }) => format!("later {after:?}"),
        }
    }

    #[test]
    fn a_status_proves_only_so_much() {
        fn check(status: u16, body: &str, expect: &str) {
            assert_eq!(verdict(status, body), expect, "{status} {body}");
        }
        check(200, "{}", "done");
        check(200, "<html>", "unknown malformed_answer");
        check(200, "", "unknown malformed_answer");
        check(302, "", "unknown provider_error");
        check(
            400,
            r#"{"error":{"type":"invalid_request_error","code":"amount_too_small"}}"#,
            "not_done amount_too_small",
        );
        check(400, r#"{"error":{"type":"idempotency_error","message":"m"}}"#, "unknown idempotency_mismatch");
        check(400, "no json", "not_done http_400");
        check(401, r#"{"error":{"message":"bad key"}}"#, "not_done unauthorized");
        check(402, r#"{"error":{"code":"card_declined","decline_code":"lost_card"}}"#, "declined lost_card");
        check(404, r#"{"error":{"code":"resource_missing"}}"#, "not_done resource_missing");
        check(408, "", "unknown provider_error");
        check(409, r#"{"error":{"code":"idempotency_key_in_use"}}"#, "unknown in_progress");
        check(424, "", "unknown provider_error");
        check(429, "", "later Some(3s)");
        check(500, "", "unknown provider_error");
        check(503, "<html>", "unknown provider_error");
    }
}
