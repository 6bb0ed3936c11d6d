//! Carts. A guest's cart is opened by its token, a client's by the client.

use axum::response::Response;
use http::StatusCode;
use shop::actor::Caller;
use shop::cart::http::{CartInput, CartPatch, CartView, ItemPatch, add_item};
use shop::cart::{self, Cart, RemoveItem, queries};
use shop::ids::{CartId, CartItemId};
use shop::order::http::{LineInput, OrderView, PlaceCartInput};
use shop::private::Private;
use shop::user::Scope;
use shop::{Code, Outcome};
use utoipa_axum::routes;

use super::orders::{placed, placing};
use crate::auth::CART_TOKEN;
use crate::gateway::{
    Call, Done, Field, Json, PathId, PathIds, Policy, Problem, Routes, Tagged, optional_revision, unexpected,
};

pub fn routes(routes: Routes) -> Routes {
    let policy = Policy::guest_or(Scope::OrdersPlace).looks_at(&[Field::CartToken]);
    let changing = policy.looks_at(&[Field::CartToken, Field::Revision]);
    routes
        .add(routes!(create), Policy::guest_or(Scope::OrdersPlace))
        .add(routes!(get), policy)
        .add(routes!(patch), changing)
        .add(routes!(add), changing)
        .add(routes!(change), changing)
        .add(routes!(remove), changing)
        .add(routes!(place), changing.key_required())
}

fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such cart, or it is not yours (guests send its token)")
}

/// On whose behalf a request about a cart comes. Staff without a client share the guests' carts, with their tokens.
fn caller(call: &Call, id: CartId) -> Result<Caller, Problem> {
    if let Some(client) = call.principal.client() {
        return Ok(Caller::Shopper(Some(client)));
    }
    let token = call.headers.get(CART_TOKEN).and_then(|value| value.to_str().ok());
    let opened = token.is_some_and(|token| call.app.keys.guests.opens_cart(id, token));
    if opened { Ok(Caller::Shopper(None)) } else { Err(missing()) }
}

/// Makes a cart. Nothing in it is held, and prices are those of the day.
#[utoipa::path(
    post, path = "/store/v1/carts", tag = "store", operation_id = "create_cart",
    request_body = CartInput,
    responses((status = 201, description = "The cart; a guest's has a `cart_token`", body = CartView))
)]
async fn create(call: Call, body: Json<CartInput>) -> Result<Response, Problem> {
    let command = body.value.command(call.principal.client())?;
    let done = call.carry_out(command, body.fingerprint).await?;
    let mut view = view_of(&call, &done).await?;
    if call.principal.client().is_none() {
        view.cart_token = Some(Private(call.app.keys.guests.for_cart(view.id)));
    }
    done.created(&format!("/store/v1/carts/{}", view.id), &view)?.tagged(view.revision)
}

/// One cart, with today's prices.
#[utoipa::path(
    get, path = "/store/v1/carts/{id}", tag = "store", operation_id = "get_cart",
    params(("id" = CartId, Path)),
    responses((status = 200, description = "The cart", body = CartView))
)]
async fn get(call: Call, PathId(id): PathId<CartId>) -> Result<Response, Problem> {
    let caller = caller(&call, id)?;
    let seen = call.read(move |view| {
        let cart = queries::get(view, id)?.filter(|cart| caller.may_touch(cart.owner)).ok_or_else(missing)?;
        Ok(CartView::of(id, &cart, &queries::skus(view, &cart)?))
    });
    let seen = seen.await?;
    seen.answer()?.tagged(seen.value.revision)
}

/// Replaces what is in a cart.
#[utoipa::path(
    patch, path = "/store/v1/carts/{id}", tag = "store", operation_id = "replace_cart_items",
    params(("id" = CartId, Path)),
    request_body(content = CartPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The cart as it is now", body = CartView))
)]
async fn patch(call: Call, PathId(id): PathId<CartId>, body: Json<CartPatch>) -> Result<Response, Problem> {
    let caller = caller(&call, id)?;
    let command = body.value.command(id, caller, optional_revision(&call.headers)?)?;
    let done = call.carry_out(command, body.fingerprint).await?;
    changed(&call, &done, StatusCode::OK).await
}

/// Adds units of a SKU.
#[utoipa::path(
    post, path = "/store/v1/carts/{id}/items", tag = "store", operation_id = "add_cart_item",
    params(("id" = CartId, Path)),
    request_body = LineInput,
    responses((status = 201, description = "The cart as it is now", body = CartView))
)]
async fn add(call: Call, PathId(id): PathId<CartId>, body: Json<LineInput>) -> Result<Response, Problem> {
    let caller = caller(&call, id)?;
    let command = add_item(body.value, id, caller, optional_revision(&call.headers)?)?;
    let done = call.carry_out(command, body.fingerprint).await?;
    changed(&call, &done, StatusCode::CREATED).await
}

/// Changes the quantity of an item.
#[utoipa::path(
    patch, path = "/store/v1/carts/{id}/items/{item}", tag = "store", operation_id = "change_cart_item",
    params(("id" = CartId, Path), ("item" = CartItemId, Path)),
    request_body(content = ItemPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The cart as it is now", body = CartView))
)]
async fn change(
    call: Call,
    PathIds(id, item): PathIds<CartId, CartItemId>,
    body: Json<ItemPatch>,
) -> Result<Response, Problem> {
    let caller = caller(&call, id)?;
    let command = body.value.command(id, item, caller, optional_revision(&call.headers)?);
    let done = call.carry_out(command, body.fingerprint).await?;
    changed(&call, &done, StatusCode::OK).await
}

/// Removes an item.
#[utoipa::path(
    delete, path = "/store/v1/carts/{id}/items/{item}", tag = "store", operation_id = "remove_cart_item",
    params(("id" = CartId, Path), ("item" = CartItemId, Path)),
    responses((status = 200, description = "The cart as it is now", body = CartView))
)]
async fn remove(call: Call, PathIds(cart, item): PathIds<CartId, CartItemId>) -> Result<Response, Problem> {
    let caller = caller(&call, cart)?;
    let command = RemoveItem { cart, caller, revision: optional_revision(&call.headers)?, item };
    let done = call.carry_out(command, call.no_body()).await?;
    changed(&call, &done, StatusCode::OK).await
}

/// Places what is in a cart as an order.
#[utoipa::path(
    post, path = "/store/v1/carts/{id}/place", tag = "store", operation_id = "place_cart",
    params(("id" = CartId, Path)),
    request_body = PlaceCartInput,
    responses((status = 201, description = "The order; a guest's has an `order_token`", body = OrderView))
)]
async fn place(
    call: Call,
    PathId(id): PathId<CartId>,
    body: Json<PlaceCartInput>,
) -> Result<Response, Problem> {
    caller(&call, id)?;
    let command = body.value.command(id, optional_revision(&call.headers)?, placing(&call))?;
    placed(&call, &call.carry_out(command, body.fingerprint).await?)
}

async fn changed(call: &Call, done: &Done, status: StatusCode) -> Result<Response, Problem> {
    let view = view_of(call, done).await?;
    done.answer(status, &view)?.tagged(view.revision)
}

/// The cart as the command left it, with today's prices: a cart remembers none.
async fn view_of(call: &Call, done: &Done) -> Result<CartView, Problem> {
    let (id, cart): (CartId, Cart) = match &done.outcome {
        Outcome::Cart(cart::Outcome::Cart(id, cart)) => (*id, cart.clone()),
        other => return Err(unexpected(other)),
    };
    let seen =
        call.read_after(done.index, move |view| Ok(CartView::of(id, &cart, &queries::skus(view, &cart)?)));
    Ok(seen.await?.value)
}
