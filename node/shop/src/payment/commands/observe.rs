use serde::{Deserialize, Serialize};

use super::of_call::touch;
use super::quarantine::{Stranger, quarantine};
use crate::broker::{Fence, settings};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::{PaymentId, RefundId};
use crate::money::{Currency, Money};
use crate::order::record::Draft;
use crate::outcome::Outcome;
use crate::payment::settle::settle;
use crate::payment::transition::{doubted, merge, merge_refund};
use crate::payment::{
    self, Answer, Attempt, CaptureMode, Intent, Mismatch, Operation, PaymentReport, PaymentStatus, Provider,
    RefundReport, RefundState, Report, Sent, Source, State,
};
use crate::rejection::Halt;
use crate::time::Timestamp;

/// Says what a provider's object is: an answer, a webhook or a look-up, merged monotonically into what is known. Said
/// twice, late or out of order it changes nothing, or heals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observe {
    /// Of a worker; webhooks have none.
    pub fence: Option<Fence>,
    pub provider: Provider,
    pub source: Source,
    pub report: Report,
}

impl Execute for Observe {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        if let Some(fence) = &self.fence {
            fence.check(&*ctx.tx)?;
        }
        match &self.report {
            Report::Payment(report) => self.observe_payment(ctx, report),
            Report::Refund(report) => self.observe_refund(ctx, report),
        }
    }
}

impl Observe {
    fn observe_payment(&self, ctx: &mut Ctx<'_, '_>, report: &PaymentReport) -> Result<Outcome, Halt> {
        let stranger = Stranger {
            provider: self.provider,
            object: &report.object,
            payment: report.payment,
            status: report.status.as_str(),
            amount: report.amount,
        };
        let Some(payment) = report.payment else {
            return quarantine(ctx, Mismatch::Unclaimed, &stranger);
        };
        let position = usize::from(payment.ordinal()).wrapping_sub(1);
        let found = Draft::find(ctx, payment.order())?;
        let Some(mut draft) = found.filter(|draft| draft.order.attempts.get(position).is_some()) else {
            return quarantine(ctx, Mismatch::NoSuchPayment, &stranger);
        };
        let under_way = draft.order.open_attempt().map(|(open, _)| open);
        let currency = draft.order.currency;
        let attempt = &mut draft.order.attempts[position];
        if let Some(why) = mismatch(self.provider, attempt, currency, report) {
            return quarantine(ctx, why, &stranger);
        }
        let next = merge(attempt.state, report.status, doubted(attempt.sent.as_ref(), self.source, ctx.now));
        let revives = attempt.state.is_final() && next.is_some_and(|next| !next.is_final());
        if revives && under_way.is_some() {
            return quarantine(ctx, Mismatch::Contradiction, &stranger);
        }
        let gained = match report.status {
            PaymentStatus::Captured => (report.captured - attempt.captured).max(0),
            _ => 0,
        };
        if next.is_none() && gained == 0 {
            return self.nothing_new(ctx, draft, position, report);
        }
        let act_until = ctx
            .now
            .plus_millis(u64::from(settings(&*ctx.tx)?.payment_deadline_minutes) * 60_000);
        let attempt = &mut draft.order.attempts[position];
        change(attempt, next, gained, report, ctx.now, act_until);
        tell(ctx, payment, currency, attempt, gained);
        settle(ctx, &mut draft, position, gained)?;
        draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Changed(payment.order())))
    }

    /// A look-up or an answer that taught nothing is written down, so that the next one waits longer. A webhook is not:
    /// however often it comes, nothing is written.
    fn nothing_new(
        &self,
        ctx: &mut Ctx<'_, '_>,
        mut draft: Draft,
        position: usize,
        report: &PaymentReport,
    ) -> Result<Outcome, Halt> {
        let attempt = &mut draft.order.attempts[position];
        let learnt_object = attempt.object.is_none();
        let waiting = !attempt.state.is_final() && attempt.sent.is_some() && self.source != Source::Webhook;
        if !waiting && !learnt_object {
            return Ok(Outcome::Payment(payment::Outcome::NothingNew));
        }
        attempt.object.get_or_insert_with(|| report.object.clone());
        if waiting {
            let taken = matches!(attempt.state, State::Sending | State::RequiresAction);
            touch(&mut attempt.sent, ctx.now, |sent| {
                if taken {
                    sent.answer = Answer::Pending;
                } else if sent.answer == Answer::Awaited {
                    sent.answer = Answer::Missing;
                }
            });
        }
        draft.save_quietly(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::NothingNew))
    }

    fn observe_refund(&self, ctx: &mut Ctx<'_, '_>, report: &RefundReport) -> Result<Outcome, Halt> {
        let stranger = Stranger {
            provider: self.provider,
            object: &report.object,
            payment: None,
            status: report.status.as_str(),
            amount: report.amount,
        };
        let Some(refund_id) = report.refund else {
            return quarantine(ctx, Mismatch::Unclaimed, &stranger);
        };
        let position = usize::from(refund_id.ordinal()).wrapping_sub(1);
        let found = Draft::find(ctx, refund_id.order())?;
        let Some(mut draft) = found.filter(|draft| draft.order.refunds.get(position).is_some()) else {
            return quarantine(ctx, Mismatch::NoSuchPayment, &stranger);
        };
        let currency = draft.order.currency;
        let refund = &mut draft.order.refunds[position];
        if refund.object.as_ref().is_some_and(|object| *object != report.object) {
            return quarantine(ctx, Mismatch::OtherObject, &stranger);
        }
        if report.amount != Money::new(refund.amount, currency) {
            return quarantine(ctx, Mismatch::OtherAmount, &stranger);
        }
        let Some(next) = merge_refund(refund.state, report.status) else {
            if refund.state.is_final() || self.source == Source::Webhook {
                return Ok(Outcome::Payment(payment::Outcome::NothingNew));
            }
            touch(&mut refund.sent, ctx.now, |sent| sent.answer = Answer::Pending);
            draft.save_quietly(ctx)?;
            return Ok(Outcome::Payment(payment::Outcome::NothingNew));
        };
        refund.state = next;
        refund.object = Some(report.object.clone());
        refund.failure = report.failure.clone();
        refund.updated_at = ctx.now;
        if refund.sent.is_none() {
            let sequence = u16::from(refund_id.ordinal());
            refund.sent = Some(heard(Operation::Refund, sequence, refund.amount, ctx.now));
        }
        touch(&mut refund.sent, ctx.now, |sent| sent.answer = Answer::Pending);
        let payment = refund.payment;
        tell_refund(ctx, payment, refund_id, report, next);
        draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Changed(refund_id.order())))
    }
}

/// Why a report is not about this attempt, if it is not.
fn mismatch(
    provider: Provider,
    attempt: &Attempt,
    currency: Currency,
    report: &PaymentReport,
) -> Option<Mismatch> {
    let other_object = attempt.object.as_ref().is_some_and(|object| *object != report.object);
    if attempt.provider != provider || other_object {
        return Some(Mismatch::OtherObject);
    }
    let within = |amount: i64| (0..=attempt.amount).contains(&amount);
    if report.amount != Money::new(attempt.amount, currency)
        || !within(report.authorized)
        || !within(report.captured)
    {
        return Some(Mismatch::OtherAmount);
    }
    None
}

/// What is known of a call that another way than our own sending told of.
fn heard(operation: Operation, sequence: u16, amount: i64, now: Timestamp) -> Sent {
    Sent {
        operation,
        sequence,
        amount,
        first_at: now,
        sent_at: now,
        touched_at: now,
        tries: 0,
        answer: Answer::Pending,
    }
}

fn change(
    attempt: &mut Attempt,
    next: Option<State>,
    gained: i64,
    report: &PaymentReport,
    now: Timestamp,
    act_until: Timestamp,
) {
    let before = attempt.state;
    attempt.state = next.unwrap_or(before);
    attempt.object = Some(report.object.clone());
    attempt.captured += gained;
    attempt.authorized = attempt.authorized.max(report.authorized).max(attempt.captured);
    attempt.updated_at = now;
    if let Some(code) = &report.failure {
        attempt.failure = Some(code.clone());
    }
    if attempt.sent.is_none() {
        attempt.sent = Some(heard(Operation::Authorize, 1, attempt.amount, now));
        attempt.sequence = 1;
    }
    // A call that was refused comes again, later each time; anything else is progress.
    let back = matches!(
        (before, attempt.state),
        (State::Capturing | State::Voiding, State::Authorized) | (State::Canceling, State::RequiresAction)
    );
    touch(&mut attempt.sent, now, |sent| {
        sent.answer = Answer::Pending;
        sent.tries = if back { sent.tries } else { 0 };
    });
    match attempt.state {
        State::RequiresAction => {
            attempt.next_action = report.next_action.clone();
            attempt.act_until = attempt.act_until.or(Some(act_until));
        }
        State::Authorized if before == State::Capturing => {
            // Refused, and not a passing trouble: an automatic capture is given up, a manual one is decided anew.
            attempt.intent = (attempt.capture == CaptureMode::Automatic).then_some(Intent::Void);
        }
        _ => attempt.next_action = None,
    }
}

fn tell(ctx: &mut Ctx<'_, '_>, payment_id: PaymentId, currency: Currency, attempt: &Attempt, gained: i64) {
    let order_id = payment_id.order();
    let event = match attempt.state {
        State::RequiresAction => payment::Event::ActionRequired { order_id, payment_id },
        State::Authorized => {
            let amount = Money::new(attempt.authorized, currency);
            payment::Event::Authorized { order_id, payment_id, amount }
        }
        State::Captured => {
            let amount = Money::new(gained, currency);
            payment::Event::Captured { order_id, payment_id, amount }
        }
        State::Declined => {
            let code = attempt.failure.clone().unwrap_or_default();
            payment::Event::Failed { order_id, payment_id, operation: Operation::Authorize, code }
        }
        State::Voided => payment::Event::Voided { order_id, payment_id },
        State::Canceled => payment::Event::Canceled { order_id, payment_id },
        State::Created
        | State::Sending
        | State::Unknown
        | State::Capturing
        | State::Voiding
        | State::Canceling => return,
    };
    ctx.emit(Event::Payment(event));
}

fn tell_refund(
    ctx: &mut Ctx<'_, '_>,
    payment_id: PaymentId,
    refund_id: RefundId,
    report: &RefundReport,
    state: RefundState,
) {
    let (order_id, amount) = (refund_id.order(), report.amount);
    let event = match state {
        RefundState::Succeeded => {
            payment::Event::RefundSucceeded { order_id, payment_id, refund_id, amount }
        }
        RefundState::Failed => {
            let code = report.failure.clone().unwrap_or_default();
            payment::Event::RefundFailed { order_id, payment_id, refund_id, amount, code }
        }
        RefundState::Created | RefundState::Sending | RefundState::Pending | RefundState::Unknown => return,
    };
    ctx.emit(Event::Payment(event));
}
