//! The feed: what happened, gap-free, in commit order.

use axum::response::Response;
use shop::broker::http::{FeedQuery, FeedView, PublishInput, Published};
use shop::broker::{Outcome, queries};
use shop::user::Scope;
use utoipa_axum::routes;

use super::topics::missing;
use crate::gateway::{Call, Json, PathId, Policy, Problem, Query, Routes, STORE, unexpected};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(feed), Policy::only(Scope::EventsRead))
        .add(routes!(of_topic), Policy::only(Scope::EventsRead))
        .add(routes!(publish), Policy::only(Scope::EventsWrite))
}

/// Reads the feed behind a sequence number.
#[utoipa::path(
    get, path = "/admin/v1/events", tag = "events", operation_id = "list_events",
    params(FeedQuery),
    responses((status = 200, description = "A page of the feed", body = FeedView))
)]
async fn feed(call: Call, Query(query): Query<FeedQuery>) -> Result<Response, Problem> {
    let (filter, after, limit) = query.read(None)?;
    let seen = call.read(move |view| Ok(FeedView::of(STORE.0, &queries::feed(view, &filter, after, limit)?)));
    seen.await?.answer()
}

/// Reads the events of a topic behind a sequence number.
#[utoipa::path(
    get, path = "/admin/v1/topics/{name}/events", tag = "events", operation_id = "list_topic_events",
    params(("name" = String, Path), FeedQuery),
    responses((status = 200, description = "A page of the topic", body = FeedView))
)]
async fn of_topic(
    call: Call,
    PathId(name): PathId<String>,
    Query(query): Query<FeedQuery>,
) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let topic = queries::topic(view, &name)?.ok_or_else(missing)?;
        let (filter, after, limit) = query.read(Some((&name, topic.partitions)))?;
        Ok(FeedView::of(STORE.0, &queries::feed(view, &filter, after, limit)?))
    });
    seen.await?.answer()
}

/// Publishes an event to a topic of one's own.
#[utoipa::path(
    post, path = "/admin/v1/topics/{name}/events", tag = "events", operation_id = "publish_event",
    params(("name" = String, Path)),
    request_body = PublishInput,
    responses((status = 201, description = "Its place in the feed", body = Published))
)]
async fn publish(
    call: Call,
    PathId(name): PathId<String>,
    body: Json<PublishInput>,
) -> Result<Response, Problem> {
    let done = call.carry_out(body.value.command(name.clone())?, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::Broker(Outcome::Published { seq }) => {
            let place = format!("/admin/v1/topics/{name}/events?after={}", seq.saturating_sub(1));
            done.created(&place, &Published { seq: *seq })
        }
        other => Err(unexpected(other)),
    }
}
