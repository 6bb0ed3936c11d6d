use serde::{Deserialize, Serialize};

use crate::actor::Caller;
use crate::broker::settings;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::OrderId;
use crate::order::record::Draft;
use crate::order::{Status, lifecycle, payment_id};
use crate::outcome::Outcome;
use crate::payment::settle::{by_hand_not_enabled, in_progress};
use crate::payment::{self, Choice, MAX_ATTEMPTS, Provider};
use crate::rejection::{Halt, Rejection};

/// Begins another attempt to pay an order that is not paid. Refused with `payment_in_progress`, naming it, while one is
/// not final. A payment by hand makes the order certain, as it does when it is placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAttempt {
    pub order: OrderId,
    pub caller: Caller,
    pub choice: Choice,
}

impl Execute for OpenAttempt {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut draft = Draft::load_for(ctx, self.order, self.caller)?;
        if let Some((position, attempt)) = draft.order.open_attempt() {
            return Err(in_progress(payment_id(self.order, position), attempt.state).into());
        }
        let due = draft.order.totals.total - draft.order.captured();
        let open = matches!(draft.order.status, Status::PendingPayment | Status::Open);
        if !open || draft.order.cancel_wanted || due <= 0 {
            let paid = if due <= 0 { " and paid" } else { "" };
            let detail = format!("order {} is {}{paid}", self.order, draft.order.status.as_str());
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        let settings = settings(&*ctx.tx)?;
        if self.choice.provider == Provider::Manual && !settings.manual_payments {
            return Err(by_hand_not_enabled("/provider").into());
        }
        if draft.order.attempts.len() >= MAX_ATTEMPTS {
            let detail = format!("an order has at most {MAX_ATTEMPTS} payment attempts");
            return Err(Rejection::new(Code::LimitReached, detail).into());
        }
        let position = payment::open(ctx.now, &settings, &mut draft.order, &self.choice, due);
        if self.choice.provider == Provider::Manual && draft.order.status == Status::PendingPayment {
            lifecycle::confirm(ctx, &mut draft)?;
        }
        let (id, order) = draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Attempt(payment_id(id, position), order)))
    }
}
