//! What orders tell: ids, amounts and states.

use serde::{Deserialize, Serialize};

use crate::event::Describe;
use crate::ids::{CustomerId, FulfilmentId, OrderId};
use crate::money::Money;

/// Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Placed(Placed),
    /// Paid, or certain without: it can be fulfilled.
    Confirmed(Told),
    /// Somebody wants it canceled, and a payment is under way.
    CancelRequested(Told),
    Canceled(Told),
    Expired(Told),
    Completed(Told),
    /// Money came when it was over, and its stock could be had again.
    Reopened(Told),
    Shipped(Shipped),
    Delivered(Delivered),
    /// What was personal is gone.
    Erased(Told),
}

/// An order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    pub order_id: OrderId,
    pub number: u64,
    pub total: Money,
    pub lines: u32,
    pub customer_id: Option<CustomerId>,
}

/// Something happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub order_id: OrderId,
    pub number: u64,
}

/// Something of an order was shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipped {
    pub order_id: OrderId,
    pub number: u64,
    pub fulfilment_id: FulfilmentId,
    pub units: u64,
}

/// A shipment arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    pub order_id: OrderId,
    pub number: u64,
    pub fulfilment_id: FulfilmentId,
}

impl Event {
    /// The order that it is about.
    pub fn order(&self) -> OrderId {
        match self {
            Self::Placed(placed) => placed.order_id,
            Self::Shipped(shipped) => shipped.order_id,
            Self::Delivered(delivered) => delivered.order_id,
            Self::Confirmed(told)
            | Self::CancelRequested(told)
            | Self::Canceled(told)
            | Self::Expired(told)
            | Self::Completed(told)
            | Self::Reopened(told)
            | Self::Erased(told) => told.order_id,
        }
    }
}

impl Describe for Event {
    fn kind(&self) -> String {
        let kind = match self {
            Self::Placed(_) => "shopnode.order.placed.v1",
            Self::Confirmed(_) => "shopnode.order.confirmed.v1",
            Self::CancelRequested(_) => "shopnode.order.cancel_requested.v1",
            Self::Canceled(_) => "shopnode.order.canceled.v1",
            Self::Expired(_) => "shopnode.order.expired.v1",
            Self::Completed(_) => "shopnode.order.completed.v1",
            Self::Reopened(_) => "shopnode.order.reopened.v1",
            Self::Shipped(_) => "shopnode.fulfilment.shipped.v1",
            Self::Delivered(_) => "shopnode.fulfilment.delivered.v1",
            Self::Erased(_) => "shopnode.order.erased.v1",
        };
        kind.to_owned()
    }

    fn topic(&self) -> &str {
        match self {
            Self::Shipped(_) | Self::Delivered(_) => "fulfilments",
            _ => "orders",
        }
    }

    fn key(&self) -> String {
        self.order().to_string()
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        let data = match self {
            Self::Placed(placed) => serde_json::to_value(placed),
            Self::Shipped(shipped) => serde_json::to_value(shipped),
            Self::Delivered(delivered) => serde_json::to_value(delivered),
            Self::Confirmed(told)
            | Self::CancelRequested(told)
            | Self::Canceled(told)
            | Self::Expired(told)
            | Self::Completed(told)
            | Self::Reopened(told)
            | Self::Erased(told) => serde_json::to_value(told),
        };
        data.unwrap_or_default()
    }
}
