//! Payment attempts and refunds, for staff.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::http::{Cursor, Limit, Page};
use shop::ids::{OrderId, PaymentId, UnmatchedId};
use shop::order::{self, Order, queries as orders};
use shop::payment::http::{AttemptView, CaptureInput, RefundInput, RefundView, UnmatchedView};
use shop::payment::{self, RequestVoid, ResolveUnmatched, State, queries};
use shop::user::Scope;
use shop::{Code, Outcome};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::gateway::{Call, Done, Empty, MaybeJson, PathId, Policy, Problem, Query, Routes, unexpected};

pub fn routes(routes: Routes) -> Routes {
    let write = Policy::only(Scope::PaymentsWrite).key_required();
    routes
        .add(routes!(list), Policy::only(Scope::PaymentsRead))
        .add(routes!(unmatched), Policy::only(Scope::PaymentsRead))
        .add(routes!(get), Policy::only(Scope::PaymentsRead))
        .add(routes!(capture), write)
        .add(routes!(void), write)
        .add(routes!(refund), write)
        .add(routes!(mark_paid), write)
        .add(routes!(resolve), write)
}

/// The query of `GET /admin/v1/payments`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PaymentsQuery {
    pub limit: Option<Limit>,
    pub cursor: Option<Cursor>,
    /// Only with this status. A page may then be short, or empty, and still have a `next_cursor`: with `created` and
    /// `sending`, and with all of them where an upgrade to active version 4 is not finished or its index not yet complete.
    pub status: Option<State>,
}

/// The query of `GET /admin/v1/payments/unmatched`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct UnmatchedQuery {
    pub limit: Option<Limit>,
    pub cursor: Option<Cursor>,
}

fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such payment")
}

/// Lists payment attempts, those of the newest orders first. The limit counts orders: a page has all attempts of each.
#[utoipa::path(
    get, path = "/admin/v1/payments", tag = "payments", operation_id = "list_payments",
    params(PaymentsQuery),
    responses((status = 200, description = "Attempts", body = Page<AttemptView>))
)]
async fn list(call: Call, Query(query): Query<PaymentsQuery>) -> Result<Response, Problem> {
    let after: Option<OrderId> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let filter = orders::Filter { newest_first: true, ..orders::Filter::default() };
    let seen = call.read(move |view| {
        let found = match query.status {
            Some(state) => queries::orders_with(view, state, after, limit)?,
            None => orders::list(view, filter, after, limit)?,
        };
        let next_cursor = found.next.as_ref().map(Cursor::at);
        let attempts = found.items.iter().flat_map(|(id, order)| AttemptView::all(*id, order));
        let data = attempts.filter(|one| query.status.is_none_or(|state| one.status == state)).collect();
        Ok(Page { data, next_cursor })
    });
    seen.await?.answer()
}

/// Lists what providers have and no order claims.
#[utoipa::path(
    get, path = "/admin/v1/payments/unmatched", tag = "payments", operation_id = "list_unmatched_payments",
    params(UnmatchedQuery),
    responses((status = 200, description = "Objects of providers", body = Page<UnmatchedView>))
)]
async fn unmatched(call: Call, Query(query): Query<UnmatchedQuery>) -> Result<Response, Problem> {
    let after: Option<UnmatchedId> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let seen = call.read(move |view| {
        Ok(Page::of(queries::unmatched(view, after, limit)?, |(id, found)| UnmatchedView::of(id, &found)))
    });
    seen.await?.answer()
}

/// One payment attempt.
#[utoipa::path(
    get, path = "/admin/v1/payments/{id}", tag = "payments", operation_id = "get_payment",
    params(("id" = PaymentId, Path)),
    responses((status = 200, description = "The attempt", body = AttemptView))
)]
async fn get(call: Call, PathId(id): PathId<PaymentId>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let order = queries::get(view, id)?.ok_or_else(missing)?;
        AttemptView::of(id, &order).ok_or_else(missing)
    });
    seen.await?.answer()
}

/// Captures what is authorised, or a part of it; the rest is let go.
#[utoipa::path(
    post, path = "/admin/v1/payments/{id}/capture", tag = "payments", operation_id = "capture_payment",
    params(("id" = PaymentId, Path)),
    request_body = Option<CaptureInput>,
    responses((status = 202, description = "It is under way", body = AttemptView))
)]
async fn capture(
    call: Call,
    PathId(id): PathId<PaymentId>,
    body: MaybeJson<CaptureInput>,
) -> Result<Response, Problem> {
    let order = order_of(&call, id).await?;
    let command = body.value.unwrap_or_default().command(id, order.currency)?;
    attempt(&call.carry_out(command, body.fingerprint).await?, StatusCode::ACCEPTED)
}

/// Lets go what is authorised.
#[utoipa::path(
    post, path = "/admin/v1/payments/{id}/void", tag = "payments", operation_id = "void_payment",
    params(("id" = PaymentId, Path)),
    request_body = Option<Empty>,
    responses((status = 202, description = "It is under way", body = AttemptView))
)]
async fn void(
    call: Call,
    PathId(payment): PathId<PaymentId>,
    body: MaybeJson<Empty>,
) -> Result<Response, Problem> {
    let done = call.carry_out(RequestVoid { payment }, body.fingerprint).await?;
    attempt(&done, StatusCode::ACCEPTED)
}

/// Gives money back: all that was captured, or a part of it.
#[utoipa::path(
    post, path = "/admin/v1/payments/{id}/refunds", tag = "payments", operation_id = "refund_payment",
    params(("id" = PaymentId, Path)),
    request_body = Option<RefundInput>,
    responses((status = 201, description = "The refund", body = RefundView))
)]
async fn refund(
    call: Call,
    PathId(id): PathId<PaymentId>,
    body: MaybeJson<RefundInput>,
) -> Result<Response, Problem> {
    let order = order_of(&call, id).await?;
    let command = body.value.unwrap_or_default().command(id, order.currency)?;
    let done = call.carry_out(command, body.fingerprint).await?;
    match &done.outcome {
        Outcome::Payment(payment::Outcome::Refund(refund, order)) => {
            let view = RefundView::of(*refund, order).ok_or_else(|| unexpected(&done.outcome))?;
            done.created(&format!("/admin/v1/payments/{id}"), &view)
        }
        other => Err(unexpected(other)),
    }
}

/// Notes that an order was paid outside: by invoice, in cash.
#[utoipa::path(
    post, path = "/admin/v1/orders/{id}/mark-paid", tag = "payments", operation_id = "mark_order_paid",
    params(("id" = OrderId, Path)),
    request_body = Option<Empty>,
    responses((status = 200, description = "The order as it is now", body = order::http::OrderView))
)]
async fn mark_paid(
    call: Call,
    PathId(order): PathId<OrderId>,
    body: MaybeJson<Empty>,
) -> Result<Response, Problem> {
    let done = call.carry_out(payment::MarkPaid { order }, body.fingerprint).await?;
    let (id, order) = match &done.outcome {
        Outcome::Payment(payment::Outcome::Attempt(id, order)) => (id.order(), order),
        Outcome::Order(order::Outcome::Order(id, order)) => (*id, order),
        other => return Err(unexpected(other)),
    };
    done.answer(StatusCode::OK, &order::http::OrderView::of(id, order))
}

/// Takes an unmatched object off the list, once somebody has seen to it at the provider.
#[utoipa::path(
    post, path = "/admin/v1/payments/unmatched/{id}/resolve", tag = "payments", operation_id = "resolve_unmatched_payment",
    params(("id" = UnmatchedId, Path)),
    request_body = Option<Empty>,
    responses((status = 204, description = "It is off the list"))
)]
async fn resolve(
    call: Call,
    PathId(unmatched): PathId<UnmatchedId>,
    body: MaybeJson<Empty>,
) -> Result<Response, Problem> {
    Ok(call.carry_out(ResolveUnmatched { unmatched }, body.fingerprint).await?.no_content())
}

async fn order_of(call: &Call, id: PaymentId) -> Result<Order, Problem> {
    Ok(call.read(move |view| queries::get(view, id)?.ok_or_else(missing)).await?.value)
}

fn attempt(done: &Done, status: StatusCode) -> Result<Response, Problem> {
    match &done.outcome {
        Outcome::Payment(payment::Outcome::Attempt(id, order)) => {
            let view = AttemptView::of(*id, order).ok_or_else(|| unexpected(&done.outcome))?;
            done.answer(status, &view)
        }
        other => Err(unexpected(other)),
    }
}
