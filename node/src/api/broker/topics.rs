//! Topics.

use axum::response::Response;
use shop::Code;
use shop::broker::http::{TopicInput, TopicView};
use shop::broker::{Outcome, queries};
use shop::http::Page;
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Json, Policy, Problem, Routes, unexpected};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::EventsRead))
        .add(routes!(create), Policy::only(Scope::EventsWrite))
}

pub(super) fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such topic")
}

/// Lists all topics: at most 200.
#[utoipa::path(
    get, path = "/admin/v1/topics", tag = "events", operation_id = "list_topics",
    responses((status = 200, description = "Topics", body = Page<TopicView>))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let seen = call.read(|view| {
        let topics = queries::topics(view)?;
        let data = topics.iter().map(|(name, topic)| TopicView::of(name, topic)).collect();
        Ok(Page { data, next_cursor: None })
    });
    seen.await?.answer()
}

/// Creates a topic.
#[utoipa::path(
    post, path = "/admin/v1/topics", tag = "events", operation_id = "create_topic",
    request_body = TopicInput,
    responses((status = 201, description = "The topic", body = TopicView))
)]
async fn create(call: Call, body: Json<TopicInput>) -> Result<Response, Problem> {
    let done = call.carry_out(body.value.command()?, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::Broker(Outcome::Topic { name, topic }) => {
            done.created(&format!("/admin/v1/topics/{name}/events"), &TopicView::of(name, topic))
        }
        other => Err(unexpected(other)),
    }
}
