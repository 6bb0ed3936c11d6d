use serde::{Deserialize, Serialize};

use crate::broker::Fence;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::money::MAX_AMOUNT_MINOR;
use crate::order::record::Draft;
use crate::outcome::Outcome;
use crate::payment::{
    self, Answer, Attempt, Call, Operation, Refund, RefundState, Sent, State, Step, next_step,
};
use crate::rejection::{Halt, Rejection};
use crate::time::Timestamp;

/// Says that a call is about to be made: committed before it is. Refused with `conflict` unless [`next_step`] wants
/// exactly this call now. It pins the order's hold. Saying it again is how a call is repeated under its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkSending {
    pub fence: Fence,
    pub call: Call,
}

impl Execute for MarkSending {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let id = self.call.payment.order();
        let mut draft = Draft::load(ctx, id)?;
        let step = next_step(id, &draft.order, ctx.now).filter(|step| step.sends() == Some(self.call));
        let Some(step) = step else {
            let detail = format!("{} is not what has to be done next", self.call);
            return Err(Rejection::new(Code::Conflict, detail).into());
        };
        let ordinal = usize::from(self.call.payment.ordinal()) - 1;
        let first = if let Step::Refund { .. } = step {
            send_refund(&mut draft.order.refunds[usize::from(self.call.sequence) - 1], self.call, ctx.now)
        } else {
            send_attempt(&mut draft.order.attempts[ordinal], self.call, amount_of(&step), ctx.now)
        };
        if !first {
            draft.save_quietly(ctx)?;
            return Ok(Outcome::Payment(payment::Outcome::Changed(id)));
        }
        ctx.emit(Event::Payment(payment::Event::Sending {
            order_id: id,
            payment_id: self.call.payment,
            operation: self.call.operation,
            sequence: self.call.sequence,
        }));
        draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Changed(id)))
    }
}

fn amount_of(step: &Step) -> i64 {
    match step {
        Step::Authorize { amount, .. } | Step::Capture { amount, .. } | Step::Refund { amount, .. } => {
            amount.amount.clamp(0, MAX_AMOUNT_MINOR)
        }
        Step::Void { .. }
        | Step::CancelAtProvider { .. }
        | Step::LookUp { .. }
        | Step::Expire
        | Step::Wait { .. } => 0,
    }
}

/// Says whether it is the first time for this call.
fn send_attempt(attempt: &mut Attempt, call: Call, amount: i64, now: Timestamp) -> bool {
    let first = attempt.sequence != call.sequence;
    attempt.sent = Some(sent(attempt.sent, call, amount, now));
    attempt.sequence = call.sequence;
    attempt.updated_at = now;
    attempt.state = match call.operation {
        // A repetition: it stays unknown until something is known.
        Operation::Authorize if attempt.state == State::Unknown => State::Unknown,
        Operation::Authorize => State::Sending,
        Operation::Capture => State::Capturing,
        Operation::Void => State::Voiding,
        Operation::Cancel => State::Canceling,
        Operation::Refund => attempt.state,
    };
    first
}

fn send_refund(refund: &mut Refund, call: Call, now: Timestamp) -> bool {
    let first = refund.state == RefundState::Created;
    refund.sent = Some(sent(refund.sent, call, refund.amount, now));
    refund.updated_at = now;
    if first {
        refund.state = RefundState::Sending;
    }
    first
}

/// What was sent, given what was sent before. Tries of one kind of call add up, so that a call which is refused again
/// and again waits longer each time.
fn sent(before: Option<Sent>, call: Call, amount: i64, now: Timestamp) -> Sent {
    let same_kind = before.filter(|sent| sent.operation == call.operation);
    let same_call = same_kind.filter(|sent| sent.sequence == call.sequence);
    Sent {
        operation: call.operation,
        sequence: call.sequence,
        amount,
        first_at: same_call.map_or(now, |sent| sent.first_at),
        sent_at: now,
        touched_at: now,
        tries: same_kind.map_or(1, |sent| sent.tries.saturating_add(1)),
        answer: Answer::Awaited,
    }
}
