//! Looking things up: one, a page of all, or those with a value in their metadata.

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::authentication;
use super::faults::{Fault, Target};
use super::form::Form;
use super::objects;
use super::pipeline::{before, refused};
use super::refusal::Refusal;
use super::server::Cut;
use super::store::{App, Intent, Store};

type Looked = Result<Value, Refusal>;

pub(super) async fn intent(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    look(&app, &cut, &headers, query, |store, mut form| {
        let expand = expands(&mut form);
        form.finish()?;
        Ok(objects::intent(store, store.intent(&id)?, &app.base_url, expand))
    })
    .await
}

pub(super) async fn intents(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    look(&app, &cut, &headers, query, |store, mut form| {
        let expand = expands(&mut form);
        let from_s = form.take_i64("created[gte]")?.unwrap_or(i64::MIN);
        let to_s = form.take_i64("created[lte]")?.unwrap_or(i64::MAX);
        let (limit, after) = (limit(&mut form)?, form.take("starting_after"));
        form.finish()?;
        // Newest first: the place to go on from is the one before the named payment.
        let place = match after {
            None => store.intent_order.len(),
            Some(id) => store
                .intent_order
                .iter()
                .rposition(|other| *other == id)
                .ok_or_else(|| Refusal::missing("payment_intent", &id))?,
        };
        let older = store.intent_order[..place].iter().rev().filter_map(|id| store.intents.get(id));
        let in_window = older.filter(|intent| (from_s..=to_s).contains(&intent.created_s));
        Ok(page(store, &app.base_url, in_window, limit, expand))
    })
    .await
}

pub(super) async fn search(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    look(&app, &cut, &headers, query, |store, mut form| {
        if !store.settings.search {
            return Err(Refusal::missing("payment_intent", "search"));
        }
        let expand = expands(&mut form);
        let text = form.take("query").unwrap_or_default();
        let limit = limit(&mut form)?;
        form.finish()?;
        // Of the query language only what is needed: metadata['key']:'value'.
        let parts = text.strip_prefix("metadata['").and_then(|rest| rest.strip_suffix('\''));
        let (key, value) = parts
            .and_then(|rest| rest.split_once("']:'"))
            .ok_or_else(|| Refusal::parameter("query", "parameter_invalid"))?;
        let all = store.intent_order.iter().rev().filter_map(|id| store.intents.get(id));
        let found = all.filter(|it| it.metadata.get(key).is_some_and(|found| found == value));
        let mut page = page(store, &app.base_url, found, limit, expand);
        page["object"] = json!("search_result");
        page["next_page"] = Value::Null;
        Ok(page)
    })
    .await
}

pub(super) async fn refund(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    look(&app, &cut, &headers, query, |store, form| {
        form.finish()?;
        store.refunds.get(&id).map(objects::refund).ok_or_else(|| Refusal::missing("refund", &id))
    })
    .await
}

/// The refunds of one payment.
pub(super) async fn refunds(
    State(app): State<App>,
    Extension(cut): Extension<Cut>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    look(&app, &cut, &headers, query, |store, mut form| {
        let id = form.take("payment_intent");
        let id = id.ok_or_else(|| Refusal::parameter("payment_intent", "parameter_missing"))?;
        let limit = limit(&mut form)?;
        form.finish()?;
        let charge = store.intent(&id)?.charge.as_ref();
        let ids: &[String] = charge.map_or(&[], |charge| &charge.refunds);
        let newest = ids.iter().rev().take(limit).filter_map(|id| store.refunds.get(id));
        Ok(objects::list("/v1/refunds", newest.map(objects::refund).collect(), ids.len() > limit))
    })
    .await
}

async fn look(
    app: &App,
    cut: &Cut,
    headers: &HeaderMap,
    query: Option<String>,
    find: impl FnOnce(&Store, Form) -> Looked,
) -> Response {
    if let Err(refusal) = authentication::check(headers, &app.api_key) {
        return refused(refusal);
    }
    let fault = app.store().faults.strike(Target::Read);
    if let Some(order) = &fault {
        if let Some(response) = before(order, cut).await {
            return response;
        }
        match order.fault {
            Fault::Slow => {
                let delay_ms = order.delay_ms.unwrap_or(app.store().settings.slow_delay_ms);
                tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
            }
            Fault::DropAfter => return cut.now().await,
            _ => {}
        }
    }
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let found = form.and_then(|form| find(&app.store(), form));
    match found {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refused(refusal),
    }
}

fn page<'a>(
    store: &Store,
    base_url: &str,
    mut found: impl Iterator<Item = &'a Intent>,
    limit: usize,
    expand: bool,
) -> Value {
    let shown: Vec<Value> =
        found.by_ref().take(limit).map(|it| objects::intent(store, it, base_url, expand)).collect();
    let has_more = found.next().is_some();
    json!({"object": "list", "url": "/v1/payment_intents", "data": shown, "has_more": has_more})
}

fn expands(form: &mut Form) -> bool {
    form.take_all("expand[]").iter().any(|path| path.contains("latest_charge"))
}

fn limit(form: &mut Form) -> Result<usize, Refusal> {
    match form.take_i64("limit")?.unwrap_or(10) {
        limit @ 1..=100 => Ok(limit as usize),
        _ => Err(Refusal::parameter("limit", "parameter_invalid_integer")),
    }
}
