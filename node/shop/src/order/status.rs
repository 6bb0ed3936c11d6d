//! The three statuses of an order that are derived, never stored.

use crate::order::{FulfilmentStatus, Order, PaymentStatus, ReturnStatus};
use crate::payment::{Provider, RefundState, State};

impl Order {
    /// What the ledger of its payments says.
    pub fn payment_status(&self) -> PaymentStatus {
        let captured = self.captured();
        if captured > 0 {
            let succeeded = self.refunds.iter().filter(|refund| refund.state == RefundState::Succeeded);
            let refunded: i64 = succeeded.map(|refund| refund.amount).sum();
            return if refunded >= captured {
                PaymentStatus::Refunded
            } else if refunded > 0 {
                PaymentStatus::PartiallyRefunded
            } else if captured >= self.totals.total {
                PaymentStatus::Paid
            } else {
                PaymentStatus::PartiallyPaid
            };
        }
        match self.open_attempt().map(|(_, attempt)| (attempt.state, attempt.provider)) {
            None | Some((State::Created, Provider::Manual)) => PaymentStatus::None,
            Some((State::Authorized | State::Capturing | State::Voiding, _)) => PaymentStatus::Authorized,
            Some(_) => PaymentStatus::Processing,
        }
    }

    /// What has left, and what has arrived.
    pub fn fulfilment_status(&self) -> FulfilmentStatus {
        let delivered = self.fulfilments.iter().all(|fulfilment| fulfilment.delivered_at.is_some());
        match (self.any_shipped(), self.all_shipped()) {
            (false, _) => FulfilmentStatus::Unfulfilled,
            (true, false) => FulfilmentStatus::Partial,
            (true, true) if delivered => FulfilmentStatus::Delivered,
            (true, true) => FulfilmentStatus::Fulfilled,
        }
    }

    /// What has come back. Nothing can yet.
    pub fn return_status(&self) -> ReturnStatus {
        ReturnStatus::None
    }

    /// Whether everything that it costs was taken: true at once if it is free.
    pub fn is_paid(&self) -> bool {
        self.captured() >= self.totals.total
    }
}
