use serde::{Deserialize, Serialize};

use super::of_call::{Target, touch};
use crate::broker::Fence;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::RefundId;
use crate::money::Money;
use crate::order::record::Draft;
use crate::outcome::Outcome;
use crate::payment::settle::settle;
use crate::payment::step::{is_too_old, is_wanted};
use crate::payment::{
    self, ABSENT_CERTAIN_MILLIS, Call, Operation, RefundState, Sent, State,
};
use crate::rejection::Halt;
use crate::time::Timestamp;

/// The code of what never reached its provider.
const NEVER_ARRIVED: &str = "never_arrived";

/// Says that a provider knows of no object for a call whose outcome is unknown. It is believed once the call is not
/// repeated any more: after 23 hours, or, for a payment that nobody wants any more, 10 minutes after it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAbsent {
    pub fence: Fence,
    pub call: Call,
}

impl Execute for ReportAbsent {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let id = self.call.payment.order();
        let mut draft = Draft::load(ctx, id)?;
        let wanted = is_wanted(&draft.order);
        let currency = draft.order.currency;
        let now = ctx.now;
        let payment_id = self.call.payment;
        match Target::of_sent(&mut draft, self.call)? {
            Target::Attempt(attempt) => {
                let unknown = matches!(attempt.state, State::Sending | State::Unknown);
                if !unknown || self.call.operation != Operation::Authorize {
                    return Ok(Outcome::Payment(payment::Outcome::NothingNew));
                }
                if !attempt.sent.is_some_and(|sent| is_certain(&sent, wanted, now)) {
                    touch(&mut attempt.sent, now, |_| {});
                    draft.save_quietly(ctx)?;
                    return Ok(Outcome::Payment(payment::Outcome::Changed(id)));
                }
                attempt.state = State::Declined;
                attempt.failure = Some(NEVER_ARRIVED.to_owned());
                attempt.updated_at = now;
                let (operation, code) = (self.call.operation, NEVER_ARRIVED.to_owned());
                ctx.emit(Event::Payment(payment::Event::Failed { order_id: id, payment_id, operation, code }));
                settle(ctx, &mut draft, usize::from(payment_id.ordinal()) - 1, 0)?;
            }
            Target::Refund(refund) => {
                if !matches!(refund.state, RefundState::Sending | RefundState::Unknown) {
                    return Ok(Outcome::Payment(payment::Outcome::NothingNew));
                }
                if !refund.sent.is_some_and(|sent| is_too_old(&sent, now)) {
                    touch(&mut refund.sent, now, |_| {});
                    draft.save_quietly(ctx)?;
                    return Ok(Outcome::Payment(payment::Outcome::Changed(id)));
                }
                refund.state = RefundState::Failed;
                refund.failure = Some(NEVER_ARRIVED.to_owned());
                refund.updated_at = now;
                ctx.emit(Event::Payment(payment::Event::RefundFailed {
                    order_id: id,
                    payment_id,
                    refund_id: RefundId::of(id, self.call.sequence as u8),
                    amount: Money::new(refund.amount, currency),
                    code: NEVER_ARRIVED.to_owned(),
                }));
            }
        }
        draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Changed(id)))
    }
}

fn is_certain(sent: &Sent, wanted: bool, now: Timestamp) -> bool {
    is_too_old(sent, now) || (!wanted && now.since(sent.sent_at) >= ABSENT_CERTAIN_MILLIS)
}
