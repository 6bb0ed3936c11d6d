//! Orders, for whoever places them.

use axum::response::Response;
use http::StatusCode;
use shop::actor::Caller;
use shop::http::{Cursor, Page, Sort};
use shop::ids::OrderId;
use shop::order::CancelOrder;
use shop::order::http::{OrderView, OwnOrdersQuery, PlaceOrderInput};
use shop::order::queries::{self, OwnedKey};
use shop::payment::OpenAttempt;
use shop::payment::http::{AttemptView, PaymentInput};
use shop::user::Scope;
use shop::{Code, Outcome, payment};
use utoipa_axum::routes;

use super::{caller, missing, order_of, placed, placing};
use crate::gateway::{
    Call, Empty, Field, Json, MaybeJson, PathId, Policy, Problem, Query, Routes, unexpected,
};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(place), Policy::guest_or(Scope::OrdersPlace).key_required())
        .add(routes!(list), Policy::only(Scope::OrdersPlace))
        .add(routes!(get), Policy::guest_or(Scope::OrdersPlace).looks_at(&[Field::OrderToken]))
        .add(routes!(pay), Policy::guest_or(Scope::OrdersPlace).key_required().looks_at(&[Field::OrderToken]))
        .add(
            routes!(cancel),
            Policy::guest_or(Scope::OrdersPlace).key_required().looks_at(&[Field::OrderToken]),
        )
}

/// Places an order in one call: lines, address, payment.
#[utoipa::path(
    post, path = "/store/v1/orders", tag = "store", operation_id = "place_order",
    request_body = PlaceOrderInput,
    responses((status = 201, description = "The order; a guest's has an `order_token`", body = OrderView))
)]
async fn place(call: Call, body: Json<PlaceOrderInput>) -> Result<Response, Problem> {
    let command = body.value.command(placing(&call))?;
    placed(&call, &call.carry_out(command, body.fingerprint).await?)
}

/// Lists the client's own orders.
#[utoipa::path(
    get, path = "/store/v1/orders", tag = "store", operation_id = "list_own_orders",
    params(OwnOrdersQuery),
    responses((status = 200, description = "Orders", body = Page<OrderView>))
)]
async fn list(call: Call, Query(query): Query<OwnOrdersQuery>) -> Result<Response, Problem> {
    let owner = call.principal.client();
    let newest_first = query.sort.unwrap_or_default() == Sort::NewestFirst;
    let after: Option<OwnedKey> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    if after.is_some_and(|(of, _, _)| of != owner) {
        return Err(Problem::new(Code::InvalidParameter, "cursor: this is no cursor of this list"));
    }
    let seen = call.read(move |view| {
        let found = queries::list_of_owner(view, owner, query.customer_id, newest_first, after, limit)?;
        Ok(Page::of(found, |(id, order)| OrderView::of(id, &order)))
    });
    seen.await?.answer()
}

/// One order of one's own.
#[utoipa::path(
    get, path = "/store/v1/orders/{id}", tag = "store", operation_id = "get_own_order",
    params(("id" = OrderId, Path)),
    responses((status = 200, description = "The order", body = OrderView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call, PathId(id): PathId<OrderId>) -> Result<Response, Problem> {
    let caller = caller(&call, id, Scope::OrdersRead)?;
    let seen = call.read_records(|view| visible(view, id, caller)).await?;
    seen.answer_revision(seen.value.revision, &call)
}

fn visible(view: &storage::View<'_>, id: OrderId, caller: Caller) -> Result<OrderView, Problem> {
    let order = queries::get(view, id)?.filter(|order| caller.may_touch(order.owner)).ok_or_else(missing)?;
    Ok(OrderView::of(id, &order))
}

/// Tries to pay an order that is not paid.
#[utoipa::path(
    post, path = "/store/v1/orders/{id}/payment-attempts", tag = "store", operation_id = "pay_order",
    params(("id" = OrderId, Path)),
    request_body = PaymentInput,
    responses((status = 201, description = "The attempt", body = AttemptView))
)]
async fn pay(
    call: Call,
    PathId(order): PathId<OrderId>,
    body: Json<PaymentInput>,
) -> Result<Response, Problem> {
    let caller = caller(&call, order, Scope::OrdersWrite)?;
    let choice = body.value.choice("", call.app.providers)?;
    let done = call.carry_out(OpenAttempt { order, caller, choice }, body.fingerprint).await?;
    match &done.outcome {
        Outcome::Payment(payment::Outcome::Attempt(id, order)) => {
            let view = AttemptView::of(*id, order).ok_or_else(|| unexpected(&done.outcome))?;
            done.created(&format!("/store/v1/orders/{}", id.order()), &view)
        }
        other => Err(unexpected(other)),
    }
}

/// Cancels an order of one's own of which nothing has shipped. What was paid is given back.
#[utoipa::path(
    post, path = "/store/v1/orders/{id}/cancel", tag = "store", operation_id = "cancel_own_order",
    params(("id" = OrderId, Path)),
    request_body = Option<Empty>,
    responses((status = 200, description = "The order as it is now", body = OrderView))
)]
async fn cancel(
    call: Call,
    PathId(order): PathId<OrderId>,
    body: MaybeJson<Empty>,
) -> Result<Response, Problem> {
    let caller = caller(&call, order, Scope::OrdersWrite)?;
    let done = call.carry_out(CancelOrder { order, caller }, body.fingerprint).await?;
    let (id, order) = order_of(&done)?;
    done.answer(StatusCode::OK, &OrderView::of(id, order))
}
