//! What has to be done next for an order's payments: a pure function of the order and the time. The worker is a loop
//! around it.

use crate::ids::{OrderId, PaymentId, RefundId};
use crate::money::Money;
use crate::order::{Hold, Order, Status, payment_id};
use crate::payment::{
    Answer, Attempt, Call, CaptureMode, Intent, Operation, Provider, Refund, RefundState, Sent, State,
};
use crate::time::Timestamp;

/// How long a call is repeated under its key. Providers forget keys after 24 hours: before that, repeating stops, and
/// the object is only looked up.
pub const RESEND_MILLIS: u64 = 23 * 60 * 60 * 1_000;
/// How long after the last sending a provider that knows of no object is believed, when the payment is not wanted any
/// more: until then a search may not find what is there.
pub const ABSENT_CERTAIN_MILLIS: u64 = 10 * 60 * 1_000;
/// The first pause between two tries, doubled with each.
pub const BACKOFF_MILLIS: u64 = 1_000;
/// The longest pause between two tries.
pub const MAX_BACKOFF_MILLIS: u64 = 10 * 60 * 1_000;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask the provider for the money. Commit [`MarkSending`](crate::payment::MarkSending) first, as for every call.
    Authorize {
        call: Call,
        provider: Provider,
        method: String,
        amount: Money,
        capture: CaptureMode,
    },
    Capture {
        call: Call,
        provider: Provider,
        object: Option<String>,
        amount: Money,
    },
    Void {
        call: Call,
        provider: Provider,
        object: Option<String>,
    },
    /// Give up a payment that waits for its customer.
    CancelAtProvider {
        call: Call,
        provider: Provider,
        object: Option<String>,
    },
    Refund {
        call: Call,
        refund: RefundId,
        provider: Provider,
        object: Option<String>,
        amount: Money,
    },
    /// Read the payment, or (`refund`) the refund: by the provider's id of it, or by the metadata it was given.
    /// `alarm`: it was not resolved in time, somebody should look at it.
    LookUp {
        call: Call,
        refund: Option<RefundId>,
        provider: Provider,
        object: Option<String>,
        alarm: bool,
    },
    /// Let go of the order: its time is over and nothing is under way.
    Expire,
    /// Nothing until then.
    Wait {
        until: Timestamp,
    },
}

impl Step {
    /// The call that the provider is to be sent; `None` where nothing is sent.
    pub fn sends(&self) -> Option<Call> {
        match self {
            Self::Authorize { call, .. }
            | Self::Capture { call, .. }
            | Self::Void { call, .. }
            | Self::CancelAtProvider { call, .. }
            | Self::Refund { call, .. } => Some(*call),
            Self::LookUp { .. } | Self::Expire | Self::Wait { .. } => None,
        }
    }
}

/// The next step for an order; `None` if nothing is left to do until somebody changes it.
///
/// A call whose answer is awaited comes again at once: after a crash it must be repeated under the same key. A worker
/// that has the call under way skips the order.
pub fn next_step(id: OrderId, order: &Order, now: Timestamp) -> Option<Step> {
    let attempt = order
        .open_attempt()
        .map(|(position, attempt)| of_attempt(order, payment_id(id, position), attempt, now));
    let refunds = order.refunds.iter().enumerate();
    let refunds = refunds.filter_map(|(position, refund)| of_refund(id, order, position, refund, now));
    let mut first: Option<(Timestamp, Step)> = None;
    for (due, step) in attempt.flatten().into_iter().chain(refunds).chain(expiry(order)) {
        if first.as_ref().is_none_or(|(earliest, _)| due < *earliest) {
            first = Some((due, step));
        }
    }
    first.map(|(due, step)| if due <= now { step } else { Step::Wait { until: due } })
}

/// Whether there is anything left to do, now or later.
pub fn has_work(order: &Order) -> bool {
    next_step(OrderId([0; 16]), order, Timestamp::default()).is_some()
}

/// Whether money for the order is still welcome.
pub(crate) fn is_wanted(order: &Order) -> bool {
    let open = matches!(order.status, Status::PendingPayment | Status::Open | Status::Completed);
    open && !order.cancel_wanted && order.captured() < order.totals.total
}

/// Whether a call may no longer be repeated.
pub(crate) fn is_too_old(sent: &Sent, now: Timestamp) -> bool {
    now.since(sent.first_at) >= RESEND_MILLIS
}

fn expiry(order: &Order) -> Option<(Timestamp, Step)> {
    match (order.status, order.hold) {
        (Status::PendingPayment, Hold::Active { expires_at }) if !order.is_pinned() => {
            Some((expires_at, Step::Expire))
        }
        _ => None,
    }
}

/// When to try again. Deterministic; the worker adds jitter.
fn due(sent: &Sent) -> Timestamp {
    match sent.answer {
        Answer::Awaited => sent.sent_at,
        Answer::Missing | Answer::Refused | Answer::Pending => {
            let doublings = u32::from(sent.tries.saturating_sub(1).min(16));
            sent.touched_at.plus_millis((BACKOFF_MILLIS << doublings).min(MAX_BACKOFF_MILLIS))
        }
    }
}

/// The next step for an attempt, and when it is due.
fn of_attempt(
    order: &Order,
    payment: PaymentId,
    attempt: &Attempt,
    now: Timestamp,
) -> Option<(Timestamp, Step)> {
    if attempt.provider == Provider::Manual {
        return None;
    }
    let wanted = is_wanted(order);
    let sent = attempt.sent.as_ref();
    let fresh = |operation| Call { payment, operation, sequence: attempt.sequence.saturating_add(1) };
    // A call of the same kind as one that was refused waits its turn.
    let turn = |operation| sent.filter(|sent| sent.operation == operation).map_or(attempt.updated_at, due);
    match (attempt.state, sent) {
        (State::Created, _) if wanted => {
            Some((attempt.created_at, sending(order, attempt, fresh(Operation::Authorize), attempt.amount)))
        }
        (State::Created, _) => None,
        (State::Sending | State::Unknown, Some(sent)) if !wanted => {
            Some(look_up(payment, attempt, sent, now))
        }
        (State::RequiresAction, Some(sent)) if wanted => {
            let (look_at, look) = look_up(payment, attempt, sent, now);
            let give_up = sending(order, attempt, fresh(Operation::Cancel), 0);
            match attempt.act_until {
                Some(until) if until <= now => Some((until.max(turn(Operation::Cancel)), give_up)),
                Some(until) if until < look_at => Some((until, give_up)),
                Some(_) | None => Some((look_at, look)),
            }
        }
        (State::RequiresAction, _) => {
            Some((turn(Operation::Cancel), sending(order, attempt, fresh(Operation::Cancel), 0)))
        }
        (State::Authorized, _) => match (attempt.intent, attempt.capture) {
            (Some(Intent::Void), _) => {
                Some((turn(Operation::Void), sending(order, attempt, fresh(Operation::Void), 0)))
            }
            _ if !wanted => Some((turn(Operation::Void), sending(order, attempt, fresh(Operation::Void), 0))),
            (Some(Intent::Capture(amount)), _) => {
                Some((turn(Operation::Capture), sending(order, attempt, fresh(Operation::Capture), amount)))
            }
            (None, CaptureMode::Automatic) => {
                let amount = attempt.authorized;
                Some((turn(Operation::Capture), sending(order, attempt, fresh(Operation::Capture), amount)))
            }
            (None, CaptureMode::Manual) => None,
        },
        (
            State::Sending | State::Unknown | State::Capturing | State::Voiding | State::Canceling,
            Some(sent),
        ) => {
            let call = Call { payment, operation: sent.operation, sequence: sent.sequence };
            if matches!(sent.answer, Answer::Awaited | Answer::Missing) && !is_too_old(sent, now) {
                Some((due(sent), sending(order, attempt, call, sent.amount)))
            } else {
                Some(look_up(payment, attempt, sent, now))
            }
        }
        (State::Captured | State::Voided | State::Canceled | State::Declined, _) => None,
        // Never stored: each of these states is entered with a call.
        (State::Sending | State::Unknown | State::Capturing | State::Voiding | State::Canceling, None) => {
            None
        }
    }
}

fn sending(order: &Order, attempt: &Attempt, call: Call, amount_minor: i64) -> Step {
    let (provider, object) = (attempt.provider, attempt.object.clone());
    let amount = Money::new(amount_minor, order.currency);
    match call.operation {
        Operation::Authorize => {
            let (method, capture) = (attempt.method.clone(), attempt.capture);
            Step::Authorize { call, provider, method, amount, capture }
        }
        Operation::Capture => Step::Capture { call, provider, object, amount },
        Operation::Void => Step::Void { call, provider, object },
        // An attempt is never sent as a refund: refunds have calls of their own.
        Operation::Cancel | Operation::Refund => Step::CancelAtProvider { call, provider, object },
    }
}

fn look_up(payment: PaymentId, attempt: &Attempt, sent: &Sent, now: Timestamp) -> (Timestamp, Step) {
    let call = Call { payment, operation: sent.operation, sequence: sent.sequence };
    let (provider, object) = (attempt.provider, attempt.object.clone());
    (due(sent), Step::LookUp { call, refund: None, provider, object, alarm: is_too_old(sent, now) })
}

fn of_refund(
    id: OrderId,
    order: &Order,
    position: usize,
    refund: &Refund,
    now: Timestamp,
) -> Option<(Timestamp, Step)> {
    let ordinal = u8::try_from(position + 1).unwrap_or(u8::MAX);
    let attempt = order.attempts.get(usize::from(refund.payment.ordinal()).checked_sub(1)?)?;
    let (provider, amount) = (attempt.provider, Money::new(refund.amount, order.currency));
    let call = Call { payment: refund.payment, operation: Operation::Refund, sequence: u16::from(ordinal) };
    let refund_id = RefundId::of(id, ordinal);
    let send = || Step::Refund { call, refund: refund_id, provider, object: attempt.object.clone(), amount };
    match (refund.state, &refund.sent) {
        (RefundState::Created, _) => Some((refund.created_at, send())),
        (RefundState::Sending | RefundState::Unknown | RefundState::Pending, Some(sent)) => {
            let too_old = is_too_old(sent, now);
            let step = if matches!(sent.answer, Answer::Awaited | Answer::Missing) && !too_old {
                send()
            } else {
                let object = refund.object.clone();
                Step::LookUp { call, refund: Some(refund_id), provider, object, alarm: too_old }
            };
            Some((due(sent), step))
        }
        (RefundState::Succeeded | RefundState::Failed, _)
        | (RefundState::Sending | RefundState::Unknown | RefundState::Pending, None) => None,
    }
}
