//! Orders: placing, seeing and canceling one's own; seeing, canceling and shipping any as staff.

mod admin;
mod store;

use shop::actor::Caller;
use shop::ids::OrderId;
use shop::order::http::{OrderView, Placing};
use shop::order::{self, Order};
use shop::private::Private;
use shop::user::Scope;
use shop::{Code, Outcome};

use crate::auth::ORDER_TOKEN;
use crate::gateway::{Call, Done, Problem, Routes, unexpected};

pub fn routes(routes: Routes) -> Routes {
    let routes = store::routes(routes);
    admin::routes(routes)
}

pub(super) fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such order, or it is not yours (guests send its token)")
}

/// On whose behalf a shopper's request about an order comes: a guest shows the order's token, a client acts on its own
/// orders, staff with `scope` on all.
pub(super) fn caller(call: &Call, id: OrderId, scope: Scope) -> Result<Caller, Problem> {
    if call.principal.is_staff() {
        return if call.principal.has(scope) { Ok(Caller::Staff) } else { Err(missing()) };
    }
    if let Some(client) = call.principal.client() {
        return Ok(Caller::Shopper(Some(client)));
    }
    let token = call.headers.get(ORDER_TOKEN).and_then(|value| value.to_str().ok());
    let opened = token.is_some_and(|token| call.app.keys.guests.opens_order(id, token));
    if opened { Ok(Caller::Shopper(None)) } else { Err(missing()) }
}

/// What the node knows of a placing.
pub(super) fn placing(call: &Call) -> Placing {
    let is_guest = call.principal.is_guest();
    Placing { owner: call.principal.client(), is_guest, providers: call.app.providers }
}

/// Answers a placing: 201, with a token for a guest.
pub(super) fn placed(call: &Call, done: &Done) -> Result<axum::response::Response, Problem> {
    let (id, order) = order_of(done)?;
    let mut view = OrderView::of(id, order);
    if call.principal.is_guest() {
        view.order_token = Some(Private(call.app.keys.guests.for_order(id)));
    }
    done.created(&format!("/store/v1/orders/{id}"), &view)
}

pub(super) fn order_of(done: &Done) -> Result<(OrderId, &Order), Problem> {
    match &done.outcome {
        Outcome::Order(order::Outcome::Order(id, order)) => Ok((*id, order)),
        other => Err(unexpected(other)),
    }
}
