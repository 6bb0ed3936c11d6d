//! What a payment provider is to the shop: eight calls, one picture of a payment, three kinds of failure.
//!
//! A call is made once. Whoever calls keeps the attempt, marks it before calling and calls again with the same key
//! when the outcome is unknown; the provider then answers for the first call instead of charging a second time.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use shop::Money;

/// The future of one call. It ends within the provider's deadline, always.
pub type Call<'a, T> = BoxFuture<'a, Result<T, CallError>>;

/// A card processor. Every method sends what it is told once, and reports what the answer proves.
pub trait PaymentProvider: Send + Sync + 'static {
    /// The name that orders carry in `payment.provider`.
    fn name(&self) -> &str;
    /// Creates the payment and confirms it: the card is charged, or reserved when capture is manual. A refusal by
    /// the card's bank is an `Observed` with status `Declined`, not an error.
    fn authorize<'a>(&'a self, request: &'a Authorize) -> Call<'a, Observed>;
    /// Confirms a payment that was created and is waiting for it.
    fn confirm<'a>(&'a self, request: &'a Confirm) -> Call<'a, Observed>;
    /// Takes money that was reserved, all of it or a part; the rest is released.
    fn capture<'a>(&'a self, request: &'a Capture) -> Call<'a, Observed>;
    /// Gives up a payment that was not captured. Fails with `NotDone` and the payment as it is when it was.
    fn cancel<'a>(&'a self, request: &'a Cancel) -> Call<'a, Observed>;
    /// The payment as it is now, its refunds included.
    fn retrieve<'a>(&'a self, request: &'a Retrieve) -> Call<'a, Observed>;
    /// Every payment that carries the attempt's id, for attempts whose answer was lost together with the
    /// provider's id.
    fn find<'a>(&'a self, request: &'a Find) -> Call<'a, Found>;
    /// Gives captured money back.
    fn refund<'a>(&'a self, request: &'a Refund) -> Call<'a, ObservedRefund>;
    /// The refund as it is now.
    fn retrieve_refund<'a>(&'a self, request: &'a Retrieve) -> Call<'a, ObservedRefund>;
}

/// What an idempotency key is for: part of the key, so that no two calls of different kinds share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Authorize,
    Confirm,
    Capture,
    Cancel,
    Refund,
}

impl Operation {
    /// The word in the key and in traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Authorize => "authorize",
            Operation::Confirm => "confirm",
            Operation::Capture => "capture",
            Operation::Cancel => "cancel",
            Operation::Refund => "refund",
        }
    }
}

/// `{attempt}:{operation}:{sequence}`: the same on every node and after every crash, because it is made only of
/// what is committed. A new sequence is a new call to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of the `sequence`-th `operation` on this attempt.
    pub fn new(attempt_id: &str, operation: Operation, sequence: u32) -> Self {
        IdempotencyKey(format!("{attempt_id}:{}:{sequence}", operation.as_str()))
    }

    /// The key of a call that the domain decided on: the same text.
    pub fn of(call: &shop::payment::Call) -> Self {
        IdempotencyKey(call.to_string())
    }

    /// The text that goes to the provider.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When the money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureMode {
    /// With the authorization.
    Automatic,
    /// Later, by `capture`.
    Manual,
}

/// Charge or reserve this card.
#[derive(Debug, Clone)]
pub struct Authorize {
    pub key: IdempotencyKey,
    pub attempt_id: String,
    pub order_id: String,
    /// Above zero.
    pub amount: Money,
    /// The provider's id of the card, or one of the sandbox's methods.
    pub method: String,
    pub capture: CaptureMode,
    /// W3C Trace Context of the order, passed on.
    pub traceparent: Option<String>,
}

/// Confirm this payment.
#[derive(Debug, Clone)]
pub struct Confirm {
    pub key: IdempotencyKey,
    pub provider_id: String,
    pub traceparent: Option<String>,
}

/// Take reserved money.
#[derive(Debug, Clone)]
pub struct Capture {
    pub key: IdempotencyKey,
    pub provider_id: String,
    /// Above zero, in the payment's currency; all that is reserved when absent.
    pub amount: Option<Money>,
    pub traceparent: Option<String>,
}

/// Void this payment.
#[derive(Debug, Clone)]
pub struct Cancel {
    pub key: IdempotencyKey,
    pub provider_id: String,
    pub traceparent: Option<String>,
}

/// Look at one payment or refund.
#[derive(Debug, Clone)]
pub struct Retrieve {
    pub provider_id: String,
    pub traceparent: Option<String>,
}

/// Look for the payments of one attempt. The window bounds the search: from shortly before the first send to
/// shortly after the last one, with a minute of slack for the clocks.
#[derive(Debug, Clone)]
pub struct Find {
    pub attempt_id: String,
    /// Seconds since 1970, inclusive.
    pub created_from_s: i64,
    /// Seconds since 1970, inclusive.
    pub created_to_s: i64,
    pub traceparent: Option<String>,
}

/// Give money back.
#[derive(Debug, Clone)]
pub struct Refund {
    pub key: IdempotencyKey,
    /// The provider's id of the payment.
    pub provider_id: String,
    /// Our id of the refund; it comes back in the refund's metadata.
    pub refund_id: String,
    pub attempt_id: String,
    pub order_id: String,
    /// Above zero, in the payment's currency.
    pub amount: Money,
    pub traceparent: Option<String>,
}

/// A payment at the provider, as one message showed it. Messages arrive twice, late and out of order: merge by
/// taking the further state and the larger amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The provider's id of the payment.
    pub provider_id: String,
    /// Our attempt, from the payment's metadata. `None`: nobody here made this payment, or its metadata is gone.
    pub attempt_id: Option<String>,
    /// Our order, from the payment's metadata.
    pub order_id: Option<String>,
    pub status: PaymentStatus,
    /// What was asked for.
    pub amount: Money,
    /// Minor units of the amount's currency: reserved or taken so far, as far as this message proves it.
    pub authorized_minor: i64,
    /// Taken so far, as far as this message proves it.
    pub captured_minor: i64,
    /// Given back so far, pending refunds included, as far as this message proves it.
    pub refunded_minor: i64,
    /// The refunds that the message showed.
    pub refunds: Vec<ObservedRefund>,
    /// Whether `refunds` are all there are. Webhooks and declined payments do not show them.
    pub refunds_complete: bool,
    /// When the provider made the payment, seconds since 1970.
    pub created_s: i64,
    pub source: Source,
}

/// Where a payment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Created, and nobody asked for the money yet: call `confirm`.
    RequiresConfirmation,
    /// The shopper must do something first.
    RequiresAction { next_action: NextAction },
    /// The provider waits for the bank.
    Processing,
    /// Reserved.
    Authorized,
    /// Taken.
    Captured,
    /// Voided.
    Canceled,
    /// Refused; the provider's code says why, `[a-z0-9_]{1,64}`.
    Declined { code: String },
}

/// What the shopper must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextAction {
    /// Open this page; https, or http on this machine.
    Redirect { url: String },
    /// Something that only the provider's own library in the browser can do.
    ProviderLibrary,
}

/// Who told us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The answer to a call that changes something.
    Answer,
    /// The answer to a look-up.
    Poll,
    /// A signed webhook.
    Webhook { event_id: String },
}

/// A refund at the provider, as one message showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedRefund {
    /// The provider's id of the refund.
    pub provider_refund_id: String,
    /// The provider's id of the payment.
    pub provider_id: Option<String>,
    /// Our refund, from the refund's metadata. `None`: it was made by hand at the provider.
    pub refund_id: Option<String>,
    /// Our attempt, from the refund's metadata.
    pub attempt_id: Option<String>,
    pub status: RefundStatus,
    pub amount: Money,
    /// When the provider made the refund, seconds since 1970.
    pub created_s: i64,
    pub source: Source,
}

/// Where a refund stands. A refund that succeeded can still fail days later, when the bank sends it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundStatus {
    Pending,
    Succeeded,
    /// The provider's reason, `[a-z0-9_]{1,64}`.
    Failed {
        code: String,
    },
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// At most ten; more than one means that the attempt was charged under different keys.
    pub payments: Vec<Observed>,
    /// Whether the whole window was looked at. An empty answer that is not complete proves nothing.
    pub complete: bool,
}

/// Why a call brought no result. What matters is whether the provider may have done it all the same.
///
/// Its text, which goes to logs, leaves `detail` out: the provider's words may quote what a shopper or we ourselves sent.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The provider did not do it, and the same call again will not do it either until somebody changes something,
    /// unless `code` is `connect` (it was not reached: the same call later is right).
    #[error("the payment provider refused: {code}")]
    NotDone {
        /// Ours (see `codes`) or the provider's, `[a-z0-9_]{1,64}`.
        code: String,
        detail: String,
        /// The payment as it is, where the refusal showed it (a cancel that came after the capture).
        observed: Option<Box<Observed>>,
    },
    /// It may have been done. Call again with the same key, or look.
    #[error("the outcome at the payment provider is unknown: {code}")]
    Unknown { code: String, detail: String },
    /// The provider asks for patience and did nothing.
    #[error("the payment provider asks to wait: {code}")]
    RetryLater {
        code: String,
        /// Not before this has passed, at most an hour; up to the caller when absent.
        after: Option<Duration>,
    },
}

impl CallError {
    /// The stable code of this failure.
    pub fn code(&self) -> &str {
        match self {
            CallError::NotDone { code, .. }
            | CallError::Unknown { code, .. }
            | CallError::RetryLater { code, .. } => code,
        }
    }

    /// Whether the provider may have done what was asked.
    pub fn may_be_done(&self) -> bool {
        matches!(self, CallError::Unknown { .. })
    }
}

/// The codes of `CallError` that are ours; all others are the provider's.
pub mod codes {
    /// Not done: no connection (refused, no route, name, TLS).
    pub const CONNECT: &str = "connect";
    /// Not done: the request cannot be sent as it is (amount, currency, id); nothing went out.
    pub const INVALID_REQUEST: &str = "invalid_request";
    /// Not done: the provider does not accept our API key.
    pub const UNAUTHORIZED: &str = "unauthorized";
    /// Unknown: no answer within the deadline.
    pub const TIMEOUT: &str = "timeout";
    /// Unknown: the connection broke after the request went out.
    pub const CONNECTION_LOST: &str = "connection_lost";
    /// Unknown: the provider answered with a server error.
    pub const PROVIDER_ERROR: &str = "provider_error";
    /// Unknown: a call with the same key is still running.
    pub const IN_PROGRESS: &str = "in_progress";
    /// Unknown: the key was used for a different request, which may have been carried out.
    pub const IDEMPOTENCY_MISMATCH: &str = "idempotency_mismatch";
    /// Unknown: the answer was no answer of this protocol, or larger than 256 KiB.
    pub const MALFORMED_ANSWER: &str = "malformed_answer";
    /// Wait: too many requests.
    pub const RATE_LIMITED: &str = "rate_limited";
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, Operation};

    #[test]
    fn the_key_is_made_of_attempt_operation_and_sequence() {
        assert_eq!(IdempotencyKey::new("pay_1", Operation::Capture, 3).as_str(), "pay_1:capture:3");
    }
}
