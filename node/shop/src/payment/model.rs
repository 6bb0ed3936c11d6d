//! Payment attempts and refunds: parts of their order's record.

use serde::{Deserialize, Serialize};

use crate::ids::{PaymentId, UnmatchedId};
use crate::money::Money;
use crate::payment::Operation;
use crate::private::Private;
use crate::table;
use crate::tables::Present;
use crate::time::Timestamp;

/// The most attempts to pay one order.
pub const MAX_ATTEMPTS: usize = 20;
/// The most refunds of one order.
pub const MAX_REFUNDS: usize = 100;

table!(
    /// Orders with outstanding work at a provider, beyond those that are pending payment: capture, void, refund, look up.
    PaymentWork, PAYMENT_WORK, crate::ids::OrderId => Present
);

table!(
    /// Provider objects that no order claims, or that contradict what is known of theirs.
    UnmatchedObjects, UNMATCHED, UnmatchedId => Unmatched
);

/// Who moves the money. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Provider {
    /// Part of `shopnode dev`.
    Sandbox,
    Stripe,
    /// Staff: invoice, cash on delivery.
    Manual,
}

impl Provider {
    /// Its name in orders and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Stripe => "stripe",
            Self::Manual => "manual",
        }
    }
}

/// When authorised money is taken. Append-only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum CaptureMode {
    /// At once.
    #[default]
    Automatic,
    /// When staff say so.
    Manual,
}

/// Where an attempt stands. Append-only: its position is part of keys.
///
/// `created → sending → requires_action | authorized | captured | declined | unknown`;
/// `authorized → capturing → captured`, `authorized → voiding → voided`; `unknown →` whatever is observed;
/// `requires_action → canceling → canceled`, or `captured` if the provider says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum State {
    Created,
    Sending,
    RequiresAction,
    Authorized,
    Capturing,
    Captured,
    Voiding,
    Voided,
    Canceling,
    Canceled,
    Declined,
    Unknown,
}

impl State {
    /// Those that are not final.
    pub const OPEN: [Self; 8] = [
        Self::Created,
        Self::Sending,
        Self::RequiresAction,
        Self::Authorized,
        Self::Capturing,
        Self::Voiding,
        Self::Canceling,
        Self::Unknown,
    ];

    /// Whether nothing more is expected. Money that comes nevertheless is still recorded.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Captured | Self::Voided | Self::Canceled | Self::Declined)
    }

    /// Its place in keys.
    pub const fn key(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Sending => 1,
            Self::RequiresAction => 2,
            Self::Authorized => 3,
            Self::Capturing => 4,
            Self::Captured => 5,
            Self::Voiding => 6,
            Self::Voided => 7,
            Self::Canceling => 8,
            Self::Canceled => 9,
            Self::Declined => 10,
            Self::Unknown => 11,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Sending => "sending",
            Self::RequiresAction => "requires_action",
            Self::Authorized => "authorized",
            Self::Capturing => "capturing",
            Self::Captured => "captured",
            Self::Voiding => "voiding",
            Self::Voided => "voided",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
            Self::Declined => "declined",
            Self::Unknown => "unknown",
        }
    }
}

/// What the customer must do. The address leads into the customer's payment: `Debug` hides it. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NextAction {
    /// Open this page.
    Redirect { url: Private<String> },
    /// Something that only the provider's own library in the browser can do.
    ProviderLibrary,
}

/// What staff decided about an authorised attempt. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// Take this much, in minor units.
    Capture(i64),
    Void,
}

/// What is known of the answer to a call. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// None so far: the call is under way, or its worker died.
    Awaited,
    /// The provider did not answer in time: it may have done it.
    Missing,
    /// The provider refused: what the object is now has to be looked up.
    Refused,
    /// The provider took it and will say more later.
    Pending,
}

/// The last call for an attempt or a refund. Committed before the call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub operation: Operation,
    pub sequence: u16,
    /// Minor units.
    pub amount: i64,
    pub first_at: Timestamp,
    /// When it was sent last.
    pub sent_at: Timestamp,
    /// When it was sent, answered or looked up last.
    pub touched_at: Timestamp,
    /// Sendings and look-ups since the last progress.
    pub tries: u16,
    pub answer: Answer,
}

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub provider: Provider,
    /// The provider's name of the payment method.
    pub method: String,
    pub capture: CaptureMode,
    pub state: State,
    /// Minor units of the order's currency: what is to be paid, then what the provider says it has authorised and taken.
    pub amount: i64,
    pub authorized: i64,
    pub captured: i64,
    /// The provider's id of it.
    pub object: Option<String>,
    pub next_action: Option<NextAction>,
    /// Until when a customer may act: then the attempt is canceled at the provider.
    pub act_until: Option<Timestamp>,
    /// The provider's code of what went wrong last.
    pub failure: Option<String>,
    pub intent: Option<Intent>,
    pub sent: Option<Sent>,
    /// The sequence of the last call that was not a repetition; 0 before the first.
    pub sequence: u16,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Where a refund stands. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum RefundState {
    Created,
    Sending,
    Pending,
    Succeeded,
    Failed,
    Unknown,
}

impl RefundState {
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Why money is given back. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum RefundCause {
    /// Staff said so.
    Requested,
    /// The order was canceled.
    OrderCanceled,
    /// It came when the order was over and its stock was gone.
    LateMoney,
    /// The order had been paid already.
    PaidTwice,
}

/// Money given back, from one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub payment: PaymentId,
    /// Minor units of the order's currency.
    pub amount: i64,
    pub cause: RefundCause,
    pub state: RefundState,
    pub object: Option<String>,
    pub failure: Option<String>,
    pub sent: Option<Sent>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What is known of a provider's object that no order claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    pub provider: Provider,
    /// The provider's id of it.
    pub object: String,
    pub why: Mismatch,
    /// What it claims to belong to.
    pub payment: Option<PaymentId>,
    /// What the provider says of it, like `captured`.
    pub status: String,
    pub amount: Money,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// How often it was seen.
    pub seen: u32,
}

storage::versioned!(Unmatched, 1);

/// Why a provider's object was not taken. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Mismatch {
    /// It names no attempt or refund of ours.
    Unclaimed,
    /// It names one that is not there.
    NoSuchPayment,
    /// Its attempt belongs to another provider, or has another object already.
    OtherObject,
    /// Its amount or currency is not that of its attempt.
    OtherAmount,
    /// Another attempt is under way, and this one was over.
    Contradiction,
}
