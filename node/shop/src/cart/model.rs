//! A cart: what somebody may order.

use serde::{Deserialize, Serialize};

use crate::catalog::Sku;
use crate::ids::{CartId, CartItemId, ClientId, OrderId};
use crate::money::Currency;
use crate::table;
use crate::time::Timestamp;

/// The most items of a cart: as many as an order has lines.
pub const MAX_ITEMS: usize = crate::order::MAX_LINES;

table!(
    /// Carts.
    Carts, CARTS, CartId => Cart
);

/// A cart. Prices are read when they are shown and when the order is placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// The client that made it; `None`: a guest, who is known by the cart's token.
    pub owner: Option<ClientId>,
    pub currency: Currency,
    /// One per SKU, in the order in which they were added.
    pub items: Vec<Item>,
    pub state: State,
    /// Counts the changes from 1: the cart's entity tag.
    pub revision: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

storage::versioned!(Cart, 1);

/// Units of a SKU in a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub id: CartItemId,
    pub sku: Sku,
    /// `1..=MAX_QUANTITY`.
    pub quantity: u32,
}

/// Where a cart stands. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Open,
    /// Became an order; nothing changes it any more.
    Placed {
        order: OrderId,
        at: Timestamp,
    },
}

impl Cart {
    /// The cart as it is once it has become an order.
    pub(crate) fn placed_as(mut self, order: OrderId, at: Timestamp) -> Self {
        self.state = State::Placed { order, at };
        self.revision += 1;
        self.updated_at = at;
        self
    }
}
