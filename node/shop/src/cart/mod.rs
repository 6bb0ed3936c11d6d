//! The cart slice: what somebody may order, until it becomes an order or is forgotten.
//!
//! It never holds stock and never remembers prices: both are asked for when the order is placed.

mod commands;
#[cfg(feature = "http")]
pub mod http;
mod model;
pub mod queries;
mod record;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::ids::CartId;

pub use commands::{AddItem, ChangeItem, Command, CreateCart, RemoveItem, ReplaceItems, TrimCarts};
pub use model::{Cart, Carts, Item, MAX_ITEMS, State};

/// What the carts' commands answer. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The cart as the command left it.
    Cart(CartId, Cart),
    /// Carts were trimmed; go on behind `next`, if there is one.
    Trimmed { removed: u32, next: Option<CartId> },
}
