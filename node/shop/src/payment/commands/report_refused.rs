use serde::{Deserialize, Serialize};

use super::of_call::{OfAttempt, Target, touch};
use crate::broker::Fence;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::money::Money;
use crate::order::record::Draft;
use crate::outcome::Outcome;
use crate::payment::settle::settle;
use crate::payment::{self, Answer, Call, Operation, RefundState, State};
use crate::rejection::Halt;

/// Says that a provider refused a call for good (4xx other than 409 and 429). A refused authorisation is declined, a
/// refused refund has failed; whatever else was refused, the object is looked up: it is not what we took it for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRefused {
    pub fence: Fence,
    pub call: Call,
    /// The provider's code, at most 64 bytes of ASCII.
    pub code: String,
}

impl Execute for ReportRefused {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let id = self.call.payment.order();
        let mut draft = Draft::load(ctx, id)?;
        let currency = draft.order.currency;
        let now = ctx.now;
        let done = match Target::of_sent(&mut draft, self.call)? {
            Target::Attempt(attempt) => !is_waiting_for(attempt.state, self.call.operation),
            Target::Refund(refund) => refund.state.is_final(),
        };
        if done {
            return Ok(Outcome::Payment(payment::Outcome::NothingNew));
        }
        match Target::of_sent(&mut draft, self.call)? {
            Target::Refund(refund) => {
                refund.state = RefundState::Failed;
                refund.failure = Some(self.code.clone());
                refund.updated_at = now;
                let amount = Money::new(refund.amount, currency);
                ctx.emit(Event::Payment(payment::Event::RefundFailed {
                    order_id: id,
                    payment_id: self.call.payment,
                    refund_id: crate::ids::RefundId::of(id, self.call.sequence as u8),
                    amount,
                    code: self.code.clone(),
                }));
                draft.save(ctx)?;
            }
            Target::Attempt(attempt) => {
                attempt.failure = Some(self.code.clone());
                attempt.updated_at = now;
                if self.call.operation == Operation::Authorize {
                    attempt.state = State::Declined;
                } else {
                    touch(&mut attempt.sent, now, |sent| sent.answer = Answer::Refused);
                }
                ctx.emit(Event::Payment(payment::Event::Failed {
                    order_id: id,
                    payment_id: self.call.payment,
                    operation: self.call.operation,
                    code: self.code.clone(),
                }));
                let mut found = OfAttempt { position: usize::from(self.call.payment.ordinal()) - 1, draft };
                settle(ctx, &mut found.draft, found.position, 0)?;
                found.draft.save(ctx)?;
            }
        }
        Ok(Outcome::Payment(payment::Outcome::Changed(id)))
    }
}

/// Whether an attempt is where this operation left it: a webhook may have been faster than the refusal.
fn is_waiting_for(state: State, operation: Operation) -> bool {
    matches!(
        (state, operation),
        (State::Sending | State::Unknown, Operation::Authorize)
            | (State::Capturing, Operation::Capture)
            | (State::Voiding, Operation::Void)
            | (State::Canceling, Operation::Cancel)
    )
}
