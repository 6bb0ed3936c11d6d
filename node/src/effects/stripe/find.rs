//! Finding the payments of an attempt whose answer was lost.
//!
//! The provider's search is fast but may lag behind by an hour, and not everybody has it: it can prove that a
//! payment is there, never that none is. The list of all payments in a window is current: read to its end, it
//! proves both. Sources: <https://docs.stripe.com/search#data-freshness>, `/api/payment_intents/list`.

use std::time::Duration;

use tokio::time::timeout;

use super::client::{Answer, Client, Fields, invalid};
use super::failure::judge;
use super::objects::{Intent, List};
use super::payments::retrieve_intent;
use crate::effects::provider::{CallError, Find, Found, Observed, Source, codes};

/// A window with more payments than `MAX_PAGES` × 100 is not read to its end.
const MAX_PAGES: usize = 10;
/// More payments of one attempt than this are not worth fetching one by one.
const MAX_PAYMENTS: usize = 10;
/// For all requests of one search together.
const OVERALL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn find(client: &Client, request: &Find) -> Result<Found, CallError> {
    timeout(OVERALL_TIMEOUT, look(client, request)).await.unwrap_or_else(|_| {
        Err(CallError::Unknown {
            code: codes::TIMEOUT.to_owned(),
            detail: format!("the search took longer than {} s", OVERALL_TIMEOUT.as_secs()),
        })
    })
}

async fn look(client: &Client, request: &Find) -> Result<Found, CallError> {
    // The id goes into a query language: only words may.
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if request.attempt_id.is_empty() || !request.attempt_id.bytes().all(word) {
        return Err(invalid("the attempt's id is not a word"));
    }
    let searched = search(client, request).await?;
    if !searched.is_empty() {
        // What was found may be an older picture: each payment is fetched as it is now.
        let payments = retrieve_all(client, request, searched).await?;
        return Ok(Found { payments, complete: false });
    }
    let (ids, complete) = list(client, request).await?;
    Ok(Found { payments: retrieve_all(client, request, ids).await?, complete })
}

/// Ids that the search knows. A provider without a search has none.
async fn search(client: &Client, request: &Find) -> Result<Vec<String>, CallError> {
    let query: Fields = vec![
        ("query", format!("metadata['attempt']:'{}'", request.attempt_id)),
        ("limit", MAX_PAYMENTS.to_string()),
    ];
    let answer = client.get("/v1/payment_intents/search", &query, request.traceparent.as_deref()).await?;
    if is_refused(&answer) {
        return Ok(Vec::new());
    }
    let found: List<Intent> = judge(answer, &Source::Poll)?.or_not_done()?;
    let own = found.data.iter().filter(|intent| intent.is_of(&request.attempt_id));
    Ok(own.map(|intent| intent.id().to_owned()).take(MAX_PAYMENTS).collect())
}

/// Ids in the window, and whether it was read to its end.
async fn list(client: &Client, request: &Find) -> Result<(Vec<String>, bool), CallError> {
    let mut ids = Vec::new();
    let mut after: Option<String> = None;
    let mut windowed = true;
    for _ in 0..MAX_PAGES {
        let mut answer = client
            .get("/v1/payment_intents", &page_query(request, after.as_deref(), windowed), trace(request))
            .await?;
        if windowed && is_refused(&answer) {
            // A server that cannot filter by time: all its payments are read, within the same bound.
            windowed = false;
            answer = client
                .get("/v1/payment_intents", &page_query(request, after.as_deref(), windowed), trace(request))
                .await?;
        }
        let page: List<Intent> = judge(answer, &Source::Poll)?.or_not_done()?;
        let window = request.created_from_s..=request.created_to_s;
        let own =
            page.data.iter().filter(|it| it.is_of(&request.attempt_id) && window.contains(&it.created_s()));
        ids.extend(own.map(|intent| intent.id().to_owned()));
        match page.data.last() {
            Some(last) if page.has_more => after = Some(last.id().to_owned()),
            _ => return Ok((ids, true)),
        }
    }
    Ok((ids, false))
}

fn page_query(request: &Find, after: Option<&str>, windowed: bool) -> Fields {
    let mut query: Fields = vec![("limit", "100".to_owned())];
    if windowed {
        query.push(("created[gte]", request.created_from_s.to_string()));
        query.push(("created[lte]", request.created_to_s.to_string()));
    }
    if let Some(id) = after {
        query.push(("starting_after", id.to_owned()));
    }
    query
}

async fn retrieve_all(client: &Client, request: &Find, ids: Vec<String>) -> Result<Vec<Observed>, CallError> {
    let mut payments = Vec::new();
    for id in ids.into_iter().take(MAX_PAYMENTS) {
        payments.push(retrieve_intent(client, &id, trace(request)).await?);
    }
    Ok(payments)
}

fn trace(request: &Find) -> Option<&str> {
    request.traceparent.as_deref()
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 404)
}
