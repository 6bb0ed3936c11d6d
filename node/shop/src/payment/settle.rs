//! What money means for its order: the one place where payments and orders meet.

use crate::broker::Settings;
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::{PaymentId, RefundId};
use crate::money::Money;
use crate::order::lifecycle::{self, complete_if_done};
use crate::order::record::Draft;
use crate::order::{Order, Status, payment_id};
use crate::payment::step::is_wanted;
use crate::payment::{
    self, Attempt, CaptureMode, MAX_REFUNDS, Provider, Refund, RefundCause, RefundState, State,
};
use crate::rejection::{Halt, Rejection};
use crate::time::Timestamp;

/// The level from which on a canceled order gives money back at once, once and always. Below it late money waited for a void
/// that is under way, a refund that had failed was opened again by whatever was heard of the order next, and an order
/// with as many refunds as staff may ask for could not be canceled, nor its late money be recorded.
pub(crate) const GIVES_BACK_ONCE_SINCE: u32 = 5;

/// Draws the consequences of a change of one of the order's attempts, the one at `position`, by which `gained` minor
/// units were taken.
pub(crate) fn settle(
    ctx: &mut Ctx<'_, '_>,
    draft: &mut Draft,
    position: usize,
    gained: i64,
) -> Result<(), Halt> {
    if draft.order.cancel_wanted {
        return undo(ctx, draft);
    }
    match draft.order.status {
        Status::PendingPayment if is_secured(&draft.order) => lifecycle::confirm(ctx, draft)?,
        Status::PendingPayment | Status::Open | Status::Completed => {}
        Status::Canceled | Status::Expired if gained == 0 => {}
        Status::Canceled | Status::Expired => {
            let covers = draft.order.captured() - draft.order.refunding() >= draft.order.totals.total;
            if !(covers && lifecycle::reopen(ctx, draft)?) {
                give_back(ctx, draft, position, gained, RefundCause::LateMoney)?;
            }
        }
    }
    if gained > 0 {
        let surplus = surplus(&draft.order).min(gained);
        give_back(ctx, draft, position, surplus, RefundCause::PaidTwice)?;
    }
    if !is_wanted(&draft.order) {
        drop_unsent(ctx, draft);
    }
    complete_if_done(ctx, draft);
    Ok(())
}

/// Undoes an order whose cancellation is wanted, as soon as no payment is in flight: all that was taken is given back,
/// exactly once. An authorisation that nobody is capturing does not hold it up: it is voided afterwards, and what another
/// attempt takes meanwhile does not wait for that.
pub(crate) fn undo(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) -> Result<(), Halt> {
    drop_unsent(ctx, draft);
    let once = ctx.active_version >= GIVES_BACK_ONCE_SINCE;
    let in_flight = draft.order.open_attempt().is_some_and(|(_, attempt)| attempt.state != State::Authorized);
    let waits = draft.order.status != Status::Canceled || !once;
    if in_flight && waits {
        return Ok(());
    }
    if matches!(draft.order.status, Status::PendingPayment | Status::Open) {
        lifecycle::cancel(ctx, draft)?;
    }
    for position in 0..draft.order.attempts.len() {
        // A refund for this very reason that has failed is the staff's to repeat.
        let tried = |refund: &Refund| once && refund.cause == RefundCause::OrderCanceled;
        let owed =
            not_returned(draft, position, |refund| refund.state != RefundState::Failed || tried(refund));
        give_back(ctx, draft, position, owed, RefundCause::OrderCanceled)?;
    }
    Ok(())
}

/// Ends an attempt that no provider has heard of.
pub(crate) fn drop_unsent(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) {
    let now = ctx.now;
    let id = draft.id;
    for (position, attempt) in draft.order.attempts.iter_mut().enumerate() {
        if attempt.state == State::Created {
            attempt.state = State::Canceled;
            attempt.updated_at = now;
            let payment_id = payment_id(id, position);
            ctx.emit(Event::Payment(payment::Event::Canceled { order_id: id, payment_id }));
        }
    }
}

/// Minor units of an attempt that were taken and neither are nor will be given back.
pub(crate) fn refundable(draft: &Draft, position: usize) -> i64 {
    not_returned(draft, position, |refund| refund.state != RefundState::Failed)
}

/// Minor units of an attempt that were taken, without those of the refunds that count.
fn not_returned(draft: &Draft, position: usize, counts: impl Fn(&Refund) -> bool) -> i64 {
    let payment = payment_id(draft.id, position);
    let of_it = draft.order.refunds.iter().filter(|refund| refund.payment == payment && counts(refund));
    let returned: i64 = of_it.map(|refund| refund.amount).sum();
    draft.order.attempts.get(position).map_or(0, |attempt| attempt.captured) - returned
}

/// Opens a refund of `amount` minor units; 0 opens none. Money that was handed over by hand goes back by hand: such a
/// refund has succeeded at once.
pub(crate) fn give_back(
    ctx: &mut Ctx<'_, '_>,
    draft: &mut Draft,
    position: usize,
    amount: i64,
    cause: RefundCause,
) -> Result<Option<RefundId>, Halt> {
    let Some(provider) = draft.order.attempts.get(position).map(|attempt| attempt.provider) else {
        return Ok(None);
    };
    if amount <= 0 {
        return Ok(None);
    }
    // What follows from a fact must not be refused: the fact would be, too. Few do: each attempt has one reason for it.
    let by_itself = cause != RefundCause::Requested && ctx.active_version >= GIVES_BACK_ONCE_SINCE;
    let most = if by_itself { usize::from(u8::MAX) } else { MAX_REFUNDS };
    if draft.order.refunds.len() >= most {
        let detail = format!("an order has at most {most} refunds");
        return Err(Rejection::new(Code::LimitReached, detail).into());
    }
    let payment = payment_id(draft.id, position);
    let by_hand = provider == Provider::Manual;
    draft.order.refunds.push(Refund {
        payment,
        amount,
        cause,
        state: if by_hand { RefundState::Succeeded } else { RefundState::Created },
        object: None,
        failure: None,
        sent: None,
        created_at: ctx.now,
        updated_at: ctx.now,
    });
    let refund_id = RefundId::of(draft.id, draft.order.refunds.len() as u8);
    let (order_id, payment_id) = (draft.id, payment);
    let amount = Money::new(amount, draft.order.currency);
    ctx.emit(Event::Payment(payment::Event::RefundCreated {
        order_id,
        payment_id,
        refund_id,
        amount,
        cause,
    }));
    if by_hand {
        ctx.emit(Event::Payment(payment::Event::RefundSucceeded { order_id, payment_id, refund_id, amount }));
    }
    Ok(Some(refund_id))
}

/// Adds a fresh attempt over what is still to be paid, and says its position. The caller has checked that there is none
/// that is not final.
pub(crate) fn open(
    now: Timestamp,
    settings: &Settings,
    order: &mut Order,
    choice: &payment::Choice,
    due: i64,
) -> usize {
    let by_settings = if settings.automatic_capture { CaptureMode::Automatic } else { CaptureMode::Manual };
    order.attempts.push(Attempt {
        provider: choice.provider,
        method: choice.method.clone(),
        capture: choice.capture.unwrap_or(by_settings),
        state: State::Created,
        amount: due,
        authorized: 0,
        captured: 0,
        object: None,
        next_action: None,
        act_until: None,
        failure: None,
        intent: None,
        sent: None,
        sequence: 0,
        created_at: now,
        updated_at: now,
    });
    order.attempts.len() - 1
}

/// The refusal of a second payment while one is under way.
pub(crate) fn in_progress(payment: PaymentId, state: State) -> Rejection {
    let detail = format!("payment {payment} is {}", state.as_str());
    Rejection::new(Code::PaymentInProgress, detail)
}

/// What must hold of every order's money. A command that would break it is refused.
pub(crate) fn check_invariants(order: &Order) -> Result<(), Rejection> {
    let broken = |what: &str| Err(Rejection::new(Code::AmountExceeded, what));
    if order.attempts.iter().any(|attempt| attempt.captured > attempt.authorized) {
        return broken("more would be captured than is authorised");
    }
    if order.attempts.iter().filter(|attempt| !attempt.state.is_final()).count() > 1 {
        return Err(Rejection::new(Code::PaymentInProgress, "two payments would be under way"));
    }
    for (position, attempt) in order.attempts.iter().enumerate() {
        let of_it = |refund: &&Refund| usize::from(refund.payment.ordinal()) == position + 1;
        let counted = order.refunds.iter().filter(|refund| refund.state != RefundState::Failed);
        if counted.filter(of_it).map(|refund| refund.amount).sum::<i64>() > attempt.captured {
            return broken("more would be refunded than was captured");
        }
    }
    Ok(())
}

/// Whether the total is there, or set aside where staff capture it later.
fn is_secured(order: &Order) -> bool {
    let set_aside = |attempt: &Attempt| match (attempt.state, attempt.capture) {
        (State::Authorized | State::Capturing, CaptureMode::Manual) => attempt.authorized,
        _ => attempt.captured,
    };
    order.attempts.iter().map(set_aside).sum::<i64>() >= order.totals.total
}

/// Minor units that were taken beyond the total, and not given back for that or as late money.
fn surplus(order: &Order) -> i64 {
    if matches!(order.status, Status::Canceled | Status::Expired) {
        return 0;
    }
    let returned: i64 = order
        .refunds
        .iter()
        .filter(|refund| refund.state != RefundState::Failed && refund.cause != RefundCause::Requested)
        .map(|refund| refund.amount)
        .sum();
    (order.captured() - order.totals.total - returned).max(0)
}

/// The refusal of offline payments where they are off.
pub(crate) fn by_hand_not_enabled(pointer: &str) -> Rejection {
    let detail = "this shop takes no payments by hand: see the setting `manual_payments`";
    Rejection::at(Code::ProviderNotEnabled, pointer, detail)
}
