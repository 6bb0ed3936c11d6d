//! What payments and refunds tell. Keyed by order, so that a consumer sees an order's money in order.

use serde::{Deserialize, Serialize};

use crate::event::Describe;
use crate::ids::{OrderId, PaymentId, RefundId, UnmatchedId};
use crate::money::Money;
use crate::payment::{Mismatch, Operation, RefundCause};

/// Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The provider is about to be called.
    Sending {
        order_id: OrderId,
        payment_id: PaymentId,
        operation: Operation,
        sequence: u16,
    },
    ActionRequired {
        order_id: OrderId,
        payment_id: PaymentId,
    },
    Authorized {
        order_id: OrderId,
        payment_id: PaymentId,
        amount: Money,
    },
    /// `amount` more was taken.
    Captured {
        order_id: OrderId,
        payment_id: PaymentId,
        amount: Money,
    },
    /// The provider refused an operation.
    Failed {
        order_id: OrderId,
        payment_id: PaymentId,
        operation: Operation,
        code: String,
    },
    Voided {
        order_id: OrderId,
        payment_id: PaymentId,
    },
    Canceled {
        order_id: OrderId,
        payment_id: PaymentId,
    },
    /// The provider did not answer.
    Unknown {
        order_id: OrderId,
        payment_id: PaymentId,
    },
    RefundCreated {
        order_id: OrderId,
        payment_id: PaymentId,
        refund_id: RefundId,
        amount: Money,
        cause: RefundCause,
    },
    RefundSucceeded {
        order_id: OrderId,
        payment_id: PaymentId,
        refund_id: RefundId,
        amount: Money,
    },
    RefundFailed {
        order_id: OrderId,
        payment_id: PaymentId,
        refund_id: RefundId,
        amount: Money,
        code: String,
    },
    /// An object of the provider that no order claims.
    Unmatched {
        unmatched_id: UnmatchedId,
        why: Mismatch,
        amount: Money,
    },
}

impl Event {
    /// The order that it is about; an unmatched object has none.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Self::Sending { order_id, .. }
            | Self::ActionRequired { order_id, .. }
            | Self::Authorized { order_id, .. }
            | Self::Captured { order_id, .. }
            | Self::Failed { order_id, .. }
            | Self::Voided { order_id, .. }
            | Self::Canceled { order_id, .. }
            | Self::Unknown { order_id, .. }
            | Self::RefundCreated { order_id, .. }
            | Self::RefundSucceeded { order_id, .. }
            | Self::RefundFailed { order_id, .. } => Some(*order_id),
            Self::Unmatched { .. } => None,
        }
    }
}

impl Describe for Event {
    fn kind(&self) -> String {
        let kind = match self {
            Self::Sending { .. } => "shopnode.payment.sending.v1",
            Self::ActionRequired { .. } => "shopnode.payment.action_required.v1",
            Self::Authorized { .. } => "shopnode.payment.authorized.v1",
            Self::Captured { .. } => "shopnode.payment.captured.v1",
            Self::Failed { .. } => "shopnode.payment.failed.v1",
            Self::Voided { .. } => "shopnode.payment.voided.v1",
            Self::Canceled { .. } => "shopnode.payment.canceled.v1",
            Self::Unknown { .. } => "shopnode.payment.unknown.v1",
            Self::RefundCreated { .. } => "shopnode.refund.created.v1",
            Self::RefundSucceeded { .. } => "shopnode.refund.succeeded.v1",
            Self::RefundFailed { .. } => "shopnode.refund.failed.v1",
            Self::Unmatched { .. } => "shopnode.payment.unmatched.v1",
        };
        kind.to_owned()
    }

    fn topic(&self) -> &str {
        "payments"
    }

    fn key(&self) -> String {
        match self {
            Self::Unmatched { unmatched_id, .. } => unmatched_id.to_string(),
            _ => self.order().map(|order| order.to_string()).unwrap_or_default(),
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        // {"Captured": {...}} -> {...}: the kind is said by `type` already.
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(tagged)) => tagged.into_values().next().unwrap_or_default(),
            _ => serde_json::Value::Null,
        }
    }
}
