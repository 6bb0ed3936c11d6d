use serde::{Deserialize, Serialize};

use super::of_call::{Target, touch};
use crate::broker::Fence;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::order::record::Draft;
use crate::outcome::Outcome;
use crate::payment::{self, Answer, Call, RefundState, Sent, State};
use crate::rejection::Halt;
use crate::time::Timestamp;

/// Says that a provider did not answer a call in time, or in a way that says nothing (429, 5xx): it may or may not have
/// carried it out. The hold stays pinned, and the call is repeated under its key. Also said of a look-up that was not
/// answered: the next one waits longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportNoAnswer {
    pub fence: Fence,
    pub call: Call,
}

impl Execute for ReportNoAnswer {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let id = self.call.payment.order();
        let mut draft = Draft::load(ctx, id)?;
        let now = ctx.now;
        let newly_unknown = match Target::of_sent(&mut draft, self.call)? {
            Target::Attempt(attempt) if attempt.state.is_final() => return Ok(nothing_new()),
            Target::Attempt(attempt) => {
                let unknown = miss(&mut attempt.sent, now) && attempt.state == State::Sending;
                if unknown {
                    attempt.state = State::Unknown;
                }
                unknown
            }
            Target::Refund(refund) if refund.state.is_final() => return Ok(nothing_new()),
            Target::Refund(refund) => {
                if miss(&mut refund.sent, now) && refund.state == RefundState::Sending {
                    refund.state = RefundState::Unknown;
                }
                false
            }
        };
        if newly_unknown {
            let (order_id, payment_id) = (id, self.call.payment);
            ctx.emit(Event::Payment(payment::Event::Unknown { order_id, payment_id }));
            draft.save(ctx)?;
        } else {
            draft.save_quietly(ctx)?;
        }
        Ok(Outcome::Payment(payment::Outcome::Changed(id)))
    }
}

/// Notes the try. Says whether it was the call itself that was not answered: if it was only looked up, what the provider
/// said before still holds.
fn miss(sent: &mut Option<Sent>, now: Timestamp) -> bool {
    let awaited = sent.is_some_and(|sent| sent.answer == Answer::Awaited);
    touch(sent, now, |sent| {
        if awaited {
            sent.answer = Answer::Missing;
        }
    });
    awaited
}

fn nothing_new() -> Outcome {
    Outcome::Payment(payment::Outcome::NothingNew)
}
