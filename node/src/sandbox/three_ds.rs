//! The page on which the holder of a `card_3ds` says yes or no, as a bank's page would ask.

use std::collections::HashMap;

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::charge::{self, NOT_AUTHENTICATED, Scene};
use super::store::{App, IntentStatus};

/// `?outcome=complete` and `?outcome=fail` decide; without it the page asks.
pub(super) async fn page(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(outcome) = query.get("outcome") {
        return answer(&app, &id, outcome);
    }
    let status = app.store().intents.get(&id).map(|intent| intent.status);
    match status {
        None => (StatusCode::NOT_FOUND, Html(plain("There is no such payment."))).into_response(),
        Some(IntentStatus::RequiresAction) => Html(question()).into_response(),
        Some(status) => {
            Html(plain(&format!("Nothing to do: the payment is {}.", status.as_str()))).into_response()
        }
    }
}

/// The page's form, with the field `outcome`.
pub(super) async fn decide(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(fields): Form<HashMap<String, String>>,
) -> Response {
    answer(&app, &id, fields.get("outcome").map_or("", String::as_str))
}

fn answer(app: &App, id: &str, outcome: &str) -> Response {
    let scene = Scene {
        base_url: &app.base_url,
        now_s: app.now_s(),
        idempotency_key: None,
        expand: false,
        decline: false,
    };
    let executed = {
        let mut store = app.store();
        match (store.intents.get(id).map(|intent| intent.status), outcome) {
            (None, _) => {
                return (StatusCode::NOT_FOUND, Html(plain("There is no such payment."))).into_response();
            }
            (Some(IntentStatus::RequiresAction), "complete") => charge::pay(&mut store, id, scene),
            (Some(IntentStatus::RequiresAction), "fail") => {
                charge::decline(&mut store, id, NOT_AUTHENTICATED, scene)
            }
            (Some(IntentStatus::RequiresAction), _) => {
                let message = "The field outcome must be complete or fail.";
                return (StatusCode::BAD_REQUEST, Html(plain(message))).into_response();
            }
            (Some(status), _) => {
                let message = format!("Nothing to do: the payment is {}.", status.as_str());
                return (StatusCode::CONFLICT, Html(plain(&message))).into_response();
            }
        }
    };
    app.announce(executed.notices);
    Html(plain("Thank you. You can go back to the shop.")).into_response()
}

fn question() -> String {
    plain(
        "Your bank asks: is this payment yours?</p><form method=\"post\">\
         <button name=\"outcome\" value=\"complete\">Yes, pay</button> \
         <button name=\"outcome\" value=\"fail\">No</button></form><p>",
    )
}

/// Only texts from this file: nothing of a request is shown.
fn plain(text: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sandbox bank</title><p>{text}</p></html>\n"
    )
}
