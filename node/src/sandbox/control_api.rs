//! How tests and people tell the sandbox what to do, and ask what it did. No key is needed: it listens on this machine
//! and holds nobody's money.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::Control;
use super::idempotency::Answers;
use super::refunds;
use super::store::App;

pub(super) async fn control(State(app): State<App>, body: Result<Json<Control>, JsonRejection>) -> Response {
    let Json(control) = match body {
        Ok(control) => control,
        Err(rejection) => return refuse(&rejection.body_text()),
    };
    {
        let mut store = app.store();
        if control.reset {
            store.reset();
            store.faults.clear();
            app.outbox.clear();
        }
        if let Err(message) = store.settings.change(&control) {
            return refuse(message);
        }
    }
    if let Some(outcome) = control.settle_refunds {
        refunds::settle_all(&app, outcome);
    }
    {
        let mut store = app.store();
        if control.forget_keys {
            store.answers = Answers::default();
        }
        if control.clear_faults {
            store.faults.clear();
        }
        if !store.faults.add(control.faults) {
            return refuse("too many faults wait already");
        }
    }
    if let Some(order) = control.release {
        let settings = app.store().settings.webhooks.clone();
        app.outbox.release(order, &settings);
    }
    Json(view(&app)).into_response()
}

pub(super) async fn settings(State(app): State<App>) -> Json<Value> {
    Json(view(&app))
}

fn view(app: &App) -> Value {
    let store = app.store();
    json!({
        "settings": store.settings,
        "faults": store.faults.waiting(),
        "payment_intents": store.intents.len(),
        "refunds": store.refunds.len(),
        "webhooks": app.outbox.counts(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    #[serde(default)]
    after: u64,
    /// All there are when absent.
    limit: Option<usize>,
}

pub(super) async fn ledger(State(app): State<App>, Query(page): Query<Page>) -> Json<Value> {
    Json(app.store().ledger.page(page.after, page.limit.unwrap_or(usize::MAX)))
}

fn refuse(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": {"type": "invalid_request_error", "message": message}})))
        .into_response()
}
