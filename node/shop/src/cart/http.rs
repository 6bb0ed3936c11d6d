//! Carts in the HTTP API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actor::Caller;
use crate::cart::{AddItem, Cart, ChangeItem, CreateCart, Item, ReplaceItems, State};
use crate::catalog::{Sku, SkuRecord};
use crate::http::Checks;
use crate::ids::{CartId, CartItemId, ClientId, OrderId};
use crate::money::{Currency, Money};
use crate::order::http::LineInput;
use crate::private::Private;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The body of `POST /store/v1/carts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartInput {
    pub currency: Currency,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub items: Vec<LineInput>,
}

impl CartInput {
    /// `owner`: the client that asks; `None`: a guest.
    pub fn command(self, owner: Option<ClientId>) -> Result<CreateCart, Rejection> {
        let mut checks = Checks::new();
        let items = LineInput::all(&mut checks, "/items", self.items, 0);
        checks.finish()?;
        Ok(CreateCart { owner, currency: self.currency, items })
    }
}

/// The body of `PATCH /store/v1/carts/{id}` (a merge patch, RFC 7396): all items anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartPatch {
    #[schema(max_items = 100)]
    pub items: Vec<LineInput>,
}

impl CartPatch {
    /// `revision`: that of `If-Match`.
    pub fn command(
        self,
        cart: CartId,
        caller: Caller,
        revision: Option<u64>,
    ) -> Result<ReplaceItems, Rejection> {
        let mut checks = Checks::new();
        let items = LineInput::all(&mut checks, "/items", self.items, 0);
        checks.finish()?;
        Ok(ReplaceItems { cart, caller, revision, items })
    }
}

/// The body of `POST /store/v1/carts/{id}/items`, on top of what is in the cart, is a [`LineInput`].
pub fn add_item(
    input: LineInput,
    cart: CartId,
    caller: Caller,
    revision: Option<u64>,
) -> Result<AddItem, Rejection> {
    let mut checks = Checks::new();
    input.check(&mut checks, "");
    checks.finish()?;
    Ok(AddItem { cart, caller, revision, item: input.request() })
}

/// The body of `PATCH /store/v1/carts/{id}/items/{item}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemPatch {
    #[schema(minimum = 1, maximum = 10000)]
    pub quantity: u32,
}

impl ItemPatch {
    /// `revision`: that of `If-Match`. The bounds of the quantity are checked when it is carried out.
    pub fn command(
        self,
        cart: CartId,
        item: CartItemId,
        caller: Caller,
        revision: Option<u64>,
    ) -> ChangeItem {
        ChangeItem { cart, caller, revision, item, quantity: self.quantity }
    }
}

/// A cart with today's prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CartView {
    pub id: CartId,
    pub status: CartStatus,
    /// The order that it became.
    pub order_id: Option<OrderId>,
    pub currency: Currency,
    pub items: Vec<ItemView>,
    /// What the items that can be bought today cost together; null if that is out of bounds.
    pub total: Option<Money>,
    pub client_id: Option<ClientId>,
    /// Only in the answer to a guest's creation: send it with every request about the cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cart_token: Option<Private<String>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Also its ETag.
    pub revision: u64,
}

/// Where a cart stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CartStatus {
    Open,
    Placed,
}

/// Units of a SKU in a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    pub id: CartItemId,
    pub sku: Sku,
    pub quantity: u32,
    /// Whether it can be bought today, in the cart's currency.
    pub sellable: bool,
    pub title: Option<String>,
    pub unit_price: Option<Money>,
    pub subtotal: Option<Money>,
}

impl CartView {
    /// The view of a cart, without a token. `skus`: what [`queries::skus`](crate::cart::queries::skus) says of it.
    pub fn of(id: CartId, cart: &Cart, skus: &[Option<SkuRecord>]) -> Self {
        let items = cart.items.iter().zip(skus);
        let items: Vec<ItemView> =
            items.map(|(item, sku)| ItemView::of(item, sku.as_ref(), cart.currency)).collect();
        let mut sums = items.iter().filter(|item| item.sellable).map(|item| item.subtotal);
        let total = sums.try_fold(0i64, |sum, part| sum.checked_add(part?.amount));
        let (status, order_id) = match cart.state {
            State::Open => (CartStatus::Open, None),
            State::Placed { order, .. } => (CartStatus::Placed, Some(order)),
        };
        Self {
            id,
            status,
            order_id,
            currency: cart.currency,
            items,
            total: total.map(|total| Money::new(total, cart.currency)),
            client_id: cart.owner,
            cart_token: None,
            created_at: cart.created_at,
            updated_at: cart.updated_at,
            revision: cart.revision,
        }
    }
}

impl ItemView {
    fn of(item: &Item, sku: Option<&SkuRecord>, currency: Currency) -> Self {
        let unit_price = sku.and_then(|sku| sku.price_in(currency));
        let subtotal = unit_price.and_then(|price| price.amount.checked_mul(i64::from(item.quantity)));
        Self {
            id: item.id,
            sku: item.sku.clone(),
            quantity: item.quantity,
            sellable: sku.is_some_and(|sku| sku.sellable) && unit_price.is_some(),
            title: sku.map(|sku| sku.title.clone()),
            unit_price,
            subtotal: subtotal.map(|amount| Money::new(amount, currency)),
        }
    }
}
