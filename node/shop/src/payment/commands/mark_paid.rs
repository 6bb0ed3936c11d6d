use serde::{Deserialize, Serialize};

use crate::broker::settings;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::OrderId;
use crate::money::Money;
use crate::order::record::Draft;
use crate::order::{Status, payment_id};
use crate::outcome::Outcome;
use crate::payment::settle::{in_progress, settle};
use crate::payment::{self, CaptureMode, Choice, MAX_ATTEMPTS, Provider, State};
use crate::rejection::{Halt, Rejection};

/// Records that an order was paid outside: cash, or a bank transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkPaid {
    pub order: OrderId,
}

impl Execute for MarkPaid {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut draft = Draft::load(ctx, self.order)?;
        let status = draft.order.status;
        let open = matches!(status, Status::PendingPayment | Status::Open) && !draft.order.cancel_wanted;
        if !open || draft.order.is_paid() {
            let paid = if draft.order.is_paid() { " and paid" } else { "" };
            let detail = format!("order {} is {}{paid}", self.order, status.as_str());
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        let position = match draft.order.open_attempt() {
            Some((position, attempt)) if attempt.provider == Provider::Manual => position,
            Some((position, attempt)) => {
                return Err(in_progress(payment_id(self.order, position), attempt.state).into());
            }
            None => self.open(ctx, &mut draft)?,
        };
        let currency = draft.order.currency;
        let attempt = &mut draft.order.attempts[position];
        let gained = attempt.amount;
        attempt.state = State::Captured;
        attempt.authorized = gained;
        attempt.captured = gained;
        attempt.updated_at = ctx.now;
        let (order_id, payment_id) = (self.order, payment_id(self.order, position));
        let amount = Money::new(gained, currency);
        ctx.emit(Event::Payment(payment::Event::Captured { order_id, payment_id, amount }));
        settle(ctx, &mut draft, position, gained)?;
        let (_, order) = draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Attempt(payment_id, order)))
    }
}

impl MarkPaid {
    fn open(&self, ctx: &Ctx<'_, '_>, draft: &mut Draft) -> Result<usize, Halt> {
        if draft.order.attempts.len() >= MAX_ATTEMPTS {
            let detail = format!("an order has at most {MAX_ATTEMPTS} payment attempts");
            return Err(Rejection::new(Code::LimitReached, detail).into());
        }
        let due = draft.order.totals.total - draft.order.captured();
        let choice =
            Choice { provider: Provider::Manual, method: String::new(), capture: Some(CaptureMode::Manual) };
        let settings = settings(&*ctx.tx)?;
        Ok(payment::open(ctx.now, &settings, &mut draft.order, &choice, due))
    }
}
