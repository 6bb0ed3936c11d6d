//! What a provider says of its objects: an adapter's translation of an answer, a webhook or a look-up.

use serde::{Deserialize, Serialize};

use crate::ids::{PaymentId, RefundId};
use crate::money::Money;
use crate::payment::NextAction;

/// How a report came. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The answer to a call.
    Answer,
    /// A signed webhook: maybe late, repeated or out of order.
    Webhook,
    /// A look-up that began after the last call ended.
    Poll,
}

/// One object of a provider, as it was at some moment. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    Payment(PaymentReport),
    Refund(RefundReport),
}

/// A payment at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReport {
    /// The attempt that its metadata names.
    pub payment: Option<PaymentId>,
    /// The provider's id of it, at most 255 bytes.
    pub object: String,
    pub status: PaymentStatus,
    /// What was asked for.
    pub amount: Money,
    /// Minor units that can be or were taken.
    pub authorized: i64,
    /// Minor units that were taken.
    pub captured: i64,
    pub next_action: Option<NextAction>,
    /// The provider's code, at most 64 bytes of ASCII.
    pub failure: Option<String>,
}

/// What a provider's payment is. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentStatus {
    Processing,
    RequiresAction,
    Declined,
    Authorized,
    Canceled,
    Captured,
}

impl PaymentStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::Declined => "declined",
            Self::Authorized => "authorized",
            Self::Canceled => "canceled",
            Self::Captured => "captured",
        }
    }
}

/// A refund at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundReport {
    /// The refund that its metadata names.
    pub refund: Option<RefundId>,
    /// The provider's id of it, at most 255 bytes.
    pub object: String,
    pub status: RefundStatus,
    pub amount: Money,
    /// The provider's code, at most 64 bytes of ASCII.
    pub failure: Option<String>,
}

/// What a provider's refund is. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

impl RefundStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}
