//! All orders, for staff.

use axum::response::Response;
use http::StatusCode;
use shop::actor::Caller;
use shop::http::{Cursor, Page};
use shop::ids::{FulfilmentId, OrderId};
use shop::order::http::{FulfilmentInput, OrderView, OrdersQuery, TimelineStepView};
use shop::order::{CancelOrder, DeliverFulfilment, EraseOrders, queries};
use shop::user::Scope;
use utoipa_axum::routes;

use super::{missing, order_of};
use crate::gateway::{Call, Empty, MaybeJson, PathId, Policy, Problem, Query, Routes, STORE};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::OrdersRead))
        .add(routes!(get), Policy::only(Scope::OrdersRead))
        .add(routes!(timeline), Policy::only(Scope::OrdersRead))
        .add(routes!(cancel), Policy::only(Scope::OrdersWrite).key_required())
        .add(routes!(fulfil), Policy::only(Scope::OrdersWrite).key_required())
        .add(routes!(deliver), Policy::only(Scope::OrdersWrite).key_required())
        .add(routes!(erase), Policy::staff(Scope::CustomersWrite))
}

/// Lists orders.
#[utoipa::path(
    get, path = "/admin/v1/orders", tag = "orders", operation_id = "list_orders",
    params(OrdersQuery),
    responses((status = 200, description = "Orders", body = Page<OrderView>))
)]
async fn list(call: Call, Query(query): Query<OrdersQuery>) -> Result<Response, Problem> {
    let after: Option<OrderId> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let (filter, limit) = (query.filter(), query.limit.unwrap_or_default().get());
    let seen = call.read(move |view| {
        Ok(Page::of(queries::list(view, filter, after, limit)?, |(id, order)| OrderView::of(id, &order)))
    });
    seen.await?.answer()
}

/// One order.
#[utoipa::path(
    get, path = "/admin/v1/orders/{id}", tag = "orders", operation_id = "get_order",
    params(("id" = OrderId, Path)),
    responses((status = 200, description = "The order", body = OrderView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call, PathId(id): PathId<OrderId>) -> Result<Response, Problem> {
    let seen =
        call.read(move |view| Ok(OrderView::of(id, &queries::get(view, id)?.ok_or_else(missing)?))).await?;
    seen.answer_revision(seen.value.revision, &call)
}

/// What happened to an order, step by step, oldest first, each with the index of its log entry.
#[utoipa::path(
    get, path = "/admin/v1/orders/{id}/timeline", tag = "orders", operation_id = "get_order_timeline",
    params(("id" = OrderId, Path)),
    responses((status = 200, description = "Its history, in one page", body = Page<TimelineStepView>))
)]
async fn timeline(call: Call, PathId(id): PathId<OrderId>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let order = queries::get(view, id)?.ok_or_else(missing)?;
        let steps = queries::timeline(view, id, &order)?;
        let data = steps.iter().map(|step| TimelineStepView::of(STORE.0, step)).collect();
        Ok(Page { data, next_cursor: None })
    });
    seen.await?.answer()
}

/// Cancels an order of which nothing has shipped. What was paid is given back.
#[utoipa::path(
    post, path = "/admin/v1/orders/{id}/cancel", tag = "orders", operation_id = "cancel_order",
    params(("id" = OrderId, Path)),
    request_body = Option<Empty>,
    responses((status = 200, description = "The order as it is now", body = OrderView))
)]
async fn cancel(
    call: Call,
    PathId(order): PathId<OrderId>,
    body: MaybeJson<Empty>,
) -> Result<Response, Problem> {
    let command = CancelOrder { order, caller: Caller::Staff };
    let done = call.carry_out(command, body.fingerprint).await?;
    let (id, order) = order_of(&done)?;
    done.answer(StatusCode::OK, &OrderView::of(id, order))
}

/// Ships lines of an order, or all that has not shipped.
#[utoipa::path(
    post, path = "/admin/v1/orders/{id}/fulfilments", tag = "orders", operation_id = "fulfil_order",
    params(("id" = OrderId, Path)),
    request_body = Option<FulfilmentInput>,
    responses((status = 201, description = "The order as it is now", body = OrderView))
)]
async fn fulfil(
    call: Call,
    PathId(order): PathId<OrderId>,
    body: MaybeJson<FulfilmentInput>,
) -> Result<Response, Problem> {
    let command = body.value.unwrap_or_default().command(order)?;
    let done = call.carry_out(command, body.fingerprint).await?;
    let (id, order) = order_of(&done)?;
    done.created(&format!("/admin/v1/orders/{id}"), &OrderView::of(id, order))
}

/// Notes that a shipment has arrived.
#[utoipa::path(
    post, path = "/admin/v1/fulfilments/{id}/deliver", tag = "orders", operation_id = "deliver_fulfilment",
    params(("id" = FulfilmentId, Path)),
    request_body = Option<Empty>,
    responses((status = 200, description = "The order as it is now", body = OrderView))
)]
async fn deliver(
    call: Call,
    PathId(fulfilment): PathId<FulfilmentId>,
    body: MaybeJson<Empty>,
) -> Result<Response, Problem> {
    let done = call.carry_out(DeliverFulfilment { fulfilment }, body.fingerprint).await?;
    let (id, order) = order_of(&done)?;
    done.answer(StatusCode::OK, &OrderView::of(id, order))
}

/// Erases the personal data of an order; the order stays. For guests: of whom a customer's record is kept, that is erased
/// with all its orders.
#[utoipa::path(
    post, path = "/admin/v1/orders/{id}/erase", tag = "orders", operation_id = "erase_order",
    params(("id" = OrderId, Path)),
    responses((status = 204, description = "Erased, now or before"))
)]
async fn erase(call: Call, PathId(id): PathId<OrderId>) -> Result<Response, Problem> {
    // The command passes over orders that are not there: it is also for many at once.
    call.read(move |view| queries::get(view, id)?.map(|_| ()).ok_or_else(missing)).await?;
    let done = call.carry_out(EraseOrders { orders: vec![id] }, call.no_body()).await?;
    Ok(done.no_content())
}
