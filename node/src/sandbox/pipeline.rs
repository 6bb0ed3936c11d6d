//! One request that changes something, from its headers to its answer, with everything that can go wrong between.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::charge::{Executed, Manner, Scene};
use super::control::MAX_DELAY_MS;
use super::faults::{Fault, Order, Target};
use super::form::Form;
use super::idempotency::{Answer, fingerprint};
use super::refusal::Refusal;
use super::server::Cut;
use super::store::{App, Store};
use super::{authentication, intents, refunds};

/// What is asked for.
pub(super) enum Action {
    Create,
    Confirm(String),
    Capture(String),
    Cancel(String),
    Refund,
}

impl Action {
    fn target(&self) -> Target {
        match self {
            Action::Create => Target::Create,
            Action::Confirm(_) => Target::Confirm,
            Action::Capture(_) => Target::Capture,
            Action::Cancel(_) => Target::Cancel,
            Action::Refund => Target::Refund,
        }
    }

    fn path(&self) -> String {
        match self {
            Action::Create => "/v1/payment_intents".to_owned(),
            Action::Confirm(id) => format!("/v1/payment_intents/{id}/confirm"),
            Action::Capture(id) => format!("/v1/payment_intents/{id}/capture"),
            Action::Cancel(id) => format!("/v1/payment_intents/{id}/cancel"),
            Action::Refund => "/v1/refunds".to_owned(),
        }
    }

    fn carry_out(&self, store: &mut Store, form: Form, scene: Scene<'_>) -> Result<Executed, Refusal> {
        if store.ledger.is_full() {
            return Err(Refusal::full());
        }
        match self {
            Action::Create => intents::create(store, form, scene),
            Action::Confirm(id) => intents::confirm(store, id, form, scene),
            Action::Capture(id) => intents::capture(store, id, form, scene),
            Action::Cancel(id) => intents::cancel(store, id, form, scene),
            Action::Refund => refunds::create(store, form, scene),
        }
    }
}

/// How an answer goes out.
struct Outgoing {
    answer: Answer,
    replayed: bool,
    delay: Duration,
    dropped: bool,
}

/// Carries a request out.
pub(super) async fn run(app: &App, cut: &Cut, headers: &HeaderMap, body: &Bytes, action: Action) -> Response {
    if let Err(refusal) = authentication::check(headers, &app.api_key) {
        return refused(refusal);
    }
    let fault = app.store().faults.strike(action.target());
    if let Some(order) = &fault
        && let Some(response) = before(order, cut).await
    {
        return response;
    }
    match execute(app, headers, body, &action, fault.as_ref()) {
        Err(refusal) => refused(refusal),
        Ok(outgoing) => {
            tokio::time::sleep(outgoing.delay).await;
            if outgoing.dropped {
                return cut.now().await;
            }
            answered(outgoing.answer, outgoing.replayed)
        }
    }
}

/// What a fault does before anything is done.
pub(super) async fn before(order: &Order, cut: &Cut) -> Option<Response> {
    match order.fault {
        Fault::DropBefore => cut.now().await,
        Fault::ErrorBefore => Some(refused(server_error())),
        Fault::RateLimit => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let refusal = Refusal::new(status, "invalid_request_error", "rate_limit", "Too many requests.");
            let mut response = refused(refusal);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(order.retry_after_s));
            Some(response)
        }
        Fault::Decline | Fault::Slow | Fault::DropAfter | Fault::ErrorAfter => None,
    }
}

/// Everything that happens under the lock: replayed, or carried out and remembered, in one step.
fn execute(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
    action: &Action,
    fault: Option<&Order>,
) -> Result<Outgoing, Refusal> {
    let key = idempotency_key(headers)?;
    let print = fingerprint(&action.path(), body);
    let now = Instant::now();
    let fault_is = |kind: Fault| fault.is_some_and(|order| order.fault == kind);
    let mut form = Form::parse(body)?;
    let expand = form.take_all("expand[]").iter().any(|path| path.starts_with("latest_charge"));
    let (outgoing, notices, pending_refund) = {
        let mut store = app.store();
        let slow = Duration::from_millis(
            fault.and_then(|order| order.delay_ms).unwrap_or(store.settings.slow_delay_ms).min(MAX_DELAY_MS),
        );
        let late = if fault_is(Fault::Slow) { slow } else { Duration::ZERO };
        let replay = key.map(|key| store.answers.replay(key, &print, now)).transpose()?.flatten();
        if let Some(answer) = replay {
            let dropped = fault_is(Fault::DropAfter);
            return Ok(Outgoing { answer, replayed: true, delay: late, dropped });
        }
        let scene = Scene {
            base_url: &app.base_url,
            now_s: app.now_s(),
            idempotency_key: key,
            expand,
            decline: fault_is(Fault::Decline),
        };
        let executed = action.carry_out(&mut store, form, scene)?;
        let delay = if executed.manner == Manner::Late { slow } else { late };
        let answer = match fault_is(Fault::ErrorAfter) {
            true => rendered(StatusCode::INTERNAL_SERVER_ERROR, &server_error().body),
            false => rendered(executed.status, &executed.body),
        };
        if let Some(key) = key {
            store.answers.remember(key, print, answer.clone(), now + delay);
        }
        let dropped = executed.manner == Manner::Never || fault_is(Fault::DropAfter);
        let pending = matches!(action, Action::Refund) && executed.body["status"] == "pending";
        let pending_refund = executed.body["id"].as_str().filter(|_| pending).map(str::to_owned);
        (Outgoing { answer, replayed: false, delay, dropped }, executed.notices, pending_refund)
    };
    app.announce(notices);
    if let Some(id) = pending_refund {
        tokio::spawn(refunds::settle_later(app.clone(), id));
    }
    Ok(outgoing)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= 255);
    text.map(Some).ok_or_else(|| {
        Refusal::invalid("idempotency_key_invalid", "An idempotency key has 1 to 255 visible characters.")
    })
}

fn server_error() -> Refusal {
    let message = "An unexpected error occurred.";
    let body = json!({"error": {"type": "api_error", "message": message}});
    Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, body }
}

fn rendered(status: StatusCode, body: &Value) -> Answer {
    Answer { status, body: Bytes::from(body.to_string()) }
}

/// A refusal on its way out.
pub(super) fn refused(refusal: Refusal) -> Response {
    answered(rendered(refusal.status, &refusal.body), false)
}

fn answered(answer: Answer, replayed: bool) -> Response {
    let mut response =
        (answer.status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response();
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}
