//! Errors in the form that Stripe gives them.
//!
//! Source: <https://docs.stripe.com/api/errors>.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// A request that is refused before anything was done. It is not remembered under its idempotency key.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub body: Value,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: &str, code: &str, message: &str) -> Refusal {
        Refusal { status, body: json!({"error": {"type": kind, "code": code, "message": message}}) }
    }

    /// 400, `invalid_request_error`.
    pub(super) fn invalid(code: &str, message: &str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message)
    }

    /// A parameter that is absent or wrong.
    pub(super) fn parameter(name: &str, code: &str) -> Refusal {
        let mut refusal = Refusal::invalid(code, &format!("Invalid or missing parameter: {name}"));
        refusal.body["error"]["param"] = json!(name);
        refusal
    }

    pub(super) fn missing(kind: &str, id: &str) -> Refusal {
        let id: String = id.chars().take(80).collect();
        let message = format!("No such {kind}: '{id}'");
        Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "resource_missing", &message)
    }

    /// The payment is past this operation; it is shown as it is.
    pub(super) fn unexpected_state(payment_intent: Value) -> Refusal {
        let mut refusal = Refusal::invalid(
            "payment_intent_unexpected_state",
            "The payment's status does not allow this operation.",
        );
        refusal.body["error"]["payment_intent"] = payment_intent;
        refusal
    }

    /// One of the counts that bound the sandbox's memory is reached.
    pub(super) fn full() -> Refusal {
        Refusal::invalid("sandbox_full", "The sandbox holds all it can: reset it by its control API.")
    }
}
