use serde::{Deserialize, Serialize};

use super::of_call::OfAttempt;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::PaymentId;
use crate::outcome::Outcome;
use crate::payment::{self, Intent, State};
use crate::rejection::{Halt, Rejection};

/// Decides that authorised money is let go. A worker does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestVoid {
    pub payment: PaymentId,
}

impl Execute for RequestVoid {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut found = OfAttempt::load(ctx, self.payment)?;
        let attempt = found.attempt();
        if attempt.state != State::Authorized {
            let detail = format!("payment {} is {}", self.payment, attempt.state.as_str());
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        attempt.intent = Some(Intent::Void);
        attempt.updated_at = ctx.now;
        let (_, order) = found.draft.save(ctx)?;
        Ok(Outcome::Payment(payment::Outcome::Attempt(self.payment, order)))
    }
}
