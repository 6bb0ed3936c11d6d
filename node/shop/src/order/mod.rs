//! The order slice: placing, canceling, shipping, expiring, and the record of it all.
//!
//! It owns an order's life and its totals. It never talks to a payment provider, and never changes stock but through
//! the inventory.

mod commands;
mod event;
#[cfg(feature = "http")]
pub mod http;
pub(crate) mod lifecycle;
mod model;
#[cfg(test)]
mod properties;
pub mod queries;
pub(crate) mod record;
mod status;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod totals;

use serde::{Deserialize, Serialize};

use crate::ids::OrderId;

pub use commands::{
    CancelOrder, Command, DeliverFulfilment, EraseOrders, ExpireOrder, FulfilOrder, LineRequest, PlaceOrder,
    Wanted, erase,
};
pub use event::{Delivered, Event, Placed, Shipped, Told};
pub use model::{
    Fulfilment, FulfilmentStatus, Hold, Line, MAX_FULFILMENTS, MAX_HISTORY, MAX_LINES, MAX_QUANTITY, Order,
    Orders, OrdersByCustomer, OrdersByStatus, PaymentOrdinal, PaymentStatus, Personal, ReturnStatus, Status,
    Tracking, payment_id,
};
pub use totals::Totals;

/// What the orders' commands answer. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The order as the command left it, without what is personal: answers are kept for a week, and erasing a customer
    /// must not have to look for them.
    Order(OrderId, Order),
}

impl Outcome {
    pub(crate) fn of((id, order): (OrderId, Order)) -> crate::Outcome {
        crate::Outcome::Order(Self::Order(id, order))
    }
}
