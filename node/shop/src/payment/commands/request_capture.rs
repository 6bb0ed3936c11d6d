use serde::{Deserialize, Serialize};

use super::of_call::OfAttempt;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::PaymentId;
use crate::money::Money;
use crate::outcome::Outcome;
use crate::payment::step::is_wanted;
use crate::payment::{self, Intent, State};
use crate::rejection::{Halt, Rejection};

/// Decides that authorised money is taken, all of it or a part; the rest is let go. A worker does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCapture {
    pub payment: PaymentId,
    /// Minor units, at least 1; all that is authorised if `None`.
    pub amount: Option<i64>,
}

impl Execute for RequestCapture {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut found = OfAttempt::load(ctx, self.payment)?;
        let wanted = is_wanted(&found.draft.order);
        let currency = found.draft.order.currency;
        let attempt = found.attempt();
        if attempt.state != State::Authorized || !wanted {
            let detail = format!("payment {} is {}", self.payment, attempt.state.as_str());
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        let amount = self.amount.unwrap_or(attempt.authorized);
        if !(1..=attempt.authorized).contains(&amount) {
            let detail = format!("{} is authorized", Money::new(attempt.authorized, currency));
            return Err(Rejection::at(Code::AmountExceeded, "/amount", detail).into());
        }
        attempt.intent = Some(Intent::Capture(amount));
        attempt.updated_at = ctx.now;
        let (_, order) = found.draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Attempt(self.payment, order)))
    }
}
