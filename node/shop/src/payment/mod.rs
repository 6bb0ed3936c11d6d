//! The payment slice: attempts to pay an order, refunds, and what providers say of them.
//!
//! It owns the money's state machine: what may be sent to a provider, under which key, and what its answers mean. It
//! never calls anybody: a worker asks [`next_step`], commits [`MarkSending`], calls, and reports what it saw.

pub(crate) mod by_state;
mod call;
mod commands;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod model;
pub mod queries;
mod report;
pub(crate) mod settle;
mod step;
#[cfg(test)]
mod tests;
mod transition;

use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, PaymentId, RefundId, UnmatchedId};
use crate::order::Order;

pub use by_state::{IndexProgress, PaymentsByState, StatesIndexed, found_by_status};
pub use call::{Call, Operation};
pub use commands::{
    Command, IndexStates, MarkPaid, MarkSending, Observe, OpenAttempt, ReportAbsent, ReportNoAnswer,
    ReportRefused, RequestCapture, RequestRefund, RequestVoid, ResolveUnmatched,
};
pub use event::Event;
pub use model::{
    Answer, Attempt, CaptureMode, Intent, MAX_ATTEMPTS, MAX_REFUNDS, Mismatch, NextAction, PaymentWork,
    Provider, Refund, RefundCause, RefundState, Sent, State, Unmatched, UnmatchedObjects,
};
pub use report::{PaymentReport, PaymentStatus, RefundReport, RefundStatus, Report, Source};
pub(crate) use settle::{by_hand_not_enabled, check_invariants, drop_unsent, open, undo};
pub use step::{
    ABSENT_CERTAIN_MILLIS, BACKOFF_MILLIS, MAX_BACKOFF_MILLIS, RESEND_MILLIS, Step, has_work, next_step,
};

/// How an order is to be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub provider: Provider,
    /// The provider's name of the payment method, at most 255 bytes; empty where the provider needs none.
    pub method: String,
    /// As the settings say if `None`.
    pub capture: Option<CaptureMode>,
}

/// What the payments' commands answer; orders without what is personal. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// An attempt was opened or changed.
    Attempt(PaymentId, Order),
    /// A refund was opened.
    Refund(RefundId, Order),
    /// A report was taken: the order has changed. Ask for its next step.
    Changed(OrderId),
    /// A report said nothing new.
    NothingNew,
    /// A report was put into quarantine.
    Quarantined(UnmatchedId),
}
