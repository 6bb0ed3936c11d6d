//! Finding what a provider call is about.

use crate::codes::Code;
use crate::ctx::Ctx;
use crate::ids::PaymentId;
use crate::order::record::Draft;
use crate::payment::{Attempt, Call, Operation, Refund, Sent};
use crate::rejection::{Halt, Rejection};
use crate::time::Timestamp;

/// An order and one of its attempts.
pub(super) struct OfAttempt {
    pub draft: Draft,
    pub position: usize,
}

impl OfAttempt {
    /// Refused with `not_found` if there is none.
    pub(super) fn load(ctx: &Ctx<'_, '_>, payment: PaymentId) -> Result<Self, Halt> {
        let not_found = || Rejection::new(Code::NotFound, format!("there is no payment {payment}"));
        let draft = Draft::find(ctx, payment.order())?.ok_or_else(not_found)?;
        let position = usize::from(payment.ordinal()).checked_sub(1).ok_or_else(not_found)?;
        if draft.order.attempts.get(position).is_none() {
            return Err(not_found().into());
        }
        Ok(Self { draft, position })
    }

    pub(super) fn attempt(&mut self) -> &mut Attempt {
        &mut self.draft.order.attempts[self.position]
    }
}

/// What was sent by a call, of an attempt or of a refund.
pub(super) enum Target<'a> {
    Attempt(&'a mut Attempt),
    Refund(&'a mut Refund),
}

impl<'a> Target<'a> {
    /// Refused with `conflict` if the call is not the last one that was sent: something else has happened since.
    pub(super) fn of_sent(draft: &'a mut Draft, call: Call) -> Result<Self, Rejection> {
        let stale = || Rejection::new(Code::Conflict, format!("{call} is not the call that was sent last"));
        let attempt = usize::from(call.payment.ordinal()).checked_sub(1);
        let refund = usize::from(call.sequence).checked_sub(1);
        let target = match call.operation {
            Operation::Refund => {
                let found = refund.and_then(|refund| draft.order.refunds.get_mut(refund));
                Self::Refund(found.filter(|refund| refund.payment == call.payment).ok_or_else(stale)?)
            }
            _ => {
                let found = attempt.and_then(|attempt| draft.order.attempts.get_mut(attempt));
                Self::Attempt(found.ok_or_else(stale)?)
            }
        };
        let sent = match &target {
            Self::Attempt(attempt) => &attempt.sent,
            Self::Refund(refund) => &refund.sent,
        };
        let matches = |sent: &Sent| sent.operation == call.operation && sent.sequence == call.sequence;
        if sent.as_ref().is_some_and(matches) { Ok(target) } else { Err(stale()) }
    }
}

/// Notes that a call was answered or looked up: the next try waits longer.
pub(super) fn touch(sent: &mut Option<Sent>, now: Timestamp, change: impl FnOnce(&mut Sent)) {
    if let Some(sent) = sent {
        sent.touched_at = now;
        sent.tries = sent.tries.saturating_add(1);
        change(sent);
    }
}
