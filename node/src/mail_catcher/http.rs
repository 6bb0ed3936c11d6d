//! Showing what was caught.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::mailbox::Mailbox;

pub(super) async fn serve(listener: TcpListener, mailbox: Arc<Mailbox>, stop: CancellationToken) {
    let router = Router::new()
        .route("/", get(page))
        .route("/mail", get(list))
        .route("/mail/{number}", get(one))
        .with_state(mailbox);
    let serving = axum::serve(listener, router);
    tokio::select! {
        () = stop.cancelled() => {}
        ended = serving => {
            if let Err(error) = ended {
                tracing::warn!(%error, "mail catcher stopped showing mail");
            }
        }
    }
}

async fn list(State(mailbox): State<Arc<Mailbox>>) -> Json<Value> {
    let mails = mailbox.list();
    let shown: Vec<&super::mailbox::Mail> = mails.iter().map(Arc::as_ref).collect();
    Json(json!({"data": shown}))
}

async fn one(State(mailbox): State<Arc<Mailbox>>, Path(number): Path<u64>) -> Response {
    match mailbox.get(number) {
        // Plain text, and nothing else whatever a browser thinks of it: the mail may hold HTML.
        Some(mail) => (
            [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            mail.raw.clone(),
        )
            .into_response(),
        None => (StatusCode::NOT_FOUND, "There is no such mail any more.\n").into_response(),
    }
}

async fn page(State(mailbox): State<Arc<Mailbox>>) -> Html<String> {
    let mut rows = String::new();
    for mail in mailbox.list().iter().rev() {
        rows.push_str(&format!(
            "<tr><td><a href=\"/mail/{number}\">{number}</a></td><td>{from}</td><td>{to}</td><td>{subject}</td></tr>\n",
            number = mail.number,
            from = escape(&mail.from),
            to = escape(&mail.to.join(", ")),
            subject = escape(&mail.subject),
        ));
    }
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <title>Mail</title><h1>Mail</h1>\n<table border=\"1\" cellpadding=\"4\">\n\
         <tr><th>#</th><th>From</th><th>To</th><th>Subject</th></tr>\n{rows}</table></html>\n"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
