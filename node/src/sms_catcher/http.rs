//! Twilio's API, as far as a shop uses it, and showing what was caught.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::store::{Fault, Store, Text};
use crate::effects::sms::{MAX_BODY_CHARS, e164};
use crate::sandbox::server::Cut;

const MAX_REQUEST_BYTES: usize = 64 * 1024;
const MAX_PAGE_SIZE: usize = 1_000;

#[derive(Clone)]
pub(super) struct App {
    pub store: Arc<Store>,
    pub account: Arc<str>,
    pub token: Arc<SecretString>,
}

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/texts", get(list))
        .route("/faults", post(add_fault))
        .route("/2010-04-01/Accounts/{account}/Messages.json", get(messages).post(send))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(app)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewMessage {
    to: Option<String>,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    body: Option<String>,
}

async fn send(
    State(app): State<App>,
    Path(account): Path<String>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    Form(message): Form<NewMessage>,
) -> Response {
    if !app.knows(&account, &headers) {
        return refuse(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    }
    let bad = |code, why| refuse(StatusCode::BAD_REQUEST, code, why);
    let Some(to) = message.to.filter(|to| e164(to).as_ref() == Some(to)) else {
        return bad(21211, "The 'To' number is not a valid phone number.");
    };
    let Some(from) = message.from.or(message.messaging_service_sid).filter(|from| !from.is_empty()) else {
        return bad(21603, "A 'From' phone number is required.");
    };
    let Some(body) = message.body.filter(|body| !body.is_empty()) else {
        return bad(21602, "Message body is required.");
    };
    if body.chars().count() > MAX_BODY_CHARS {
        return bad(21617, "The message body is too long.");
    }
    let fault = app.store.take_fault();
    match fault {
        Some(Fault::Refuse) => return bad(21211, "The 'To' number is not a valid phone number."),
        Some(Fault::RateLimit) => {
            let refusal = refuse(StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests");
            return ([(RETRY_AFTER, "1")], refusal).into_response();
        }
        Some(Fault::DropBefore) => return cut.now().await,
        _ => {}
    }
    let text = app.store.put(from, to, body, Timestamp::now().as_second());
    match fault {
        Some(Fault::DropAfter) => cut.now().await,
        Some(Fault::ErrorAfter) => refuse(StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal Server Error"),
        Some(Fault::Slow { delay_ms }) => {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            (StatusCode::CREATED, Json(shown(&text))).into_response()
        }
        _ => (StatusCode::CREATED, Json(shown(&text))).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    to: Option<String>,
    page_size: Option<usize>,
    page: Option<usize>,
}

async fn messages(
    State(app): State<App>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    if !app.knows(&account, &headers) {
        return refuse(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    }
    let (size, page) = (wanted.page_size.unwrap_or(50).clamp(1, MAX_PAGE_SIZE), wanted.page.unwrap_or(0));
    let mut texts = app.store.texts();
    texts.retain(|text| wanted.to.as_ref().is_none_or(|to| *to == text.to));
    let of_page: Vec<Value> =
        texts.iter().rev().skip(page.saturating_mul(size)).take(size).map(shown).collect();
    let has_more = texts.len() > page.saturating_add(1).saturating_mul(size);
    let to = wanted.to.map(|to| format!("&To={}", to.replace('+', "%2B"))).unwrap_or_default();
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let next = has_more.then(|| format!("{path}?PageSize={size}&Page={}{to}", page + 1));
    Json(json!({"messages": of_page, "page": page, "page_size": size, "next_page_uri": next})).into_response()
}

/// A message as the API shows it.
fn shown(text: &Text) -> Value {
    let date = Timestamp::from_second(text.at_s).unwrap_or_default();
    json!({
        "sid": format!("SM{:032x}", text.number),
        "to": text.to,
        "from": text.from,
        "body": text.body,
        "status": "queued",
        "direction": "outbound-api",
        "date_created": date.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        "date_sent": null,
        "error_code": null,
    })
}

fn refuse(status: StatusCode, code: u32, message: &str) -> Response {
    (status, Json(json!({"code": code, "message": message, "status": status.as_u16()}))).into_response()
}

impl App {
    fn knows(&self, account: &str, headers: &HeaderMap) -> bool {
        let pair = format!("{}:{}", self.account, self.token.expose_secret());
        let expected = format!("Basic {}", BASE64_STANDARD.encode(pair));
        *self.account == *account
            && headers.get(AUTHORIZATION).is_some_and(|given| given == expected.as_str())
    }
}

#[derive(Deserialize)]
struct NewFault {
    #[serde(flatten)]
    fault: Fault,
    times: Option<usize>,
}

async fn add_fault(State(app): State<App>, Json(new): Json<NewFault>) -> StatusCode {
    app.store.add_fault(new.fault, new.times.unwrap_or(1));
    StatusCode::NO_CONTENT
}

async fn list(State(app): State<App>) -> Json<Value> {
    Json(json!({"data": app.store.texts()}))
}

async fn page(State(app): State<App>) -> Html<String> {
    let mut rows = String::new();
    for text in app.store.texts().iter().rev() {
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            text.number,
            escape(&text.from),
            escape(&text.to),
            escape(&text.body),
        ));
    }
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <title>Texts</title><h1>Text messages</h1>\n<table border=\"1\" cellpadding=\"4\">\n\
         <tr><th>#</th><th>From</th><th>To</th><th>Text</th></tr>\n{rows}</table></html>\n"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
