//! Which path is what.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;

use super::pipeline::{Action, run};
use super::server::Cut;
use super::store::App;
use super::{control_api, reads, three_ds};

const MAX_BODY_BYTES: usize = 64 * 1024;

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/payment_intents", post(create).get(reads::intents))
        .route("/v1/payment_intents/search", get(reads::search))
        .route("/v1/payment_intents/{id}", get(reads::intent))
        .route("/v1/payment_intents/{id}/{action}", post(change))
        .route("/v1/refunds", post(refund).get(reads::refunds))
        .route("/v1/refunds/{id}", get(reads::refund))
        .route("/sandbox/3ds/{id}", get(three_ds::page).post(three_ds::decide))
        .route("/sandbox/control", post(control_api::control).get(control_api::settings))
        .route("/sandbox/ledger", get(control_api::ledger))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

async fn create(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    run(&app, &cut, &headers, &body, Action::Create).await
}

async fn refund(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    run(&app, &cut, &headers, &body, Action::Refund).await
}

async fn change(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let action = match action.as_str() {
        "confirm" => Action::Confirm(id),
        "capture" => Action::Capture(id),
        "cancel" => Action::Cancel(id),
        other => return super::pipeline::refused(super::refusal::Refusal::missing("action", other)),
    };
    run(&app, &cut, &headers, &body, action).await
}
