use serde::{Deserialize, Serialize};

use super::of_call::OfAttempt;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::PaymentId;
use crate::money::Money;
use crate::outcome::Outcome;
use crate::payment::settle::{give_back, refundable};
use crate::payment::{self, RefundCause};
use crate::rejection::{Halt, Rejection};

/// Decides that money is given back, all that is left of a payment or a part. A worker does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRefund {
    pub payment: PaymentId,
    /// Minor units, at least 1; all that can be refunded if `None`.
    pub amount: Option<i64>,
}

impl Execute for RequestRefund {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let OfAttempt { mut draft, position } = OfAttempt::load(ctx, self.payment)?;
        let left = refundable(&draft, position);
        let amount = self.amount.unwrap_or(left);
        if !(1..=left).contains(&amount) {
            let left = Money::new(left, draft.order.currency);
            let detail = format!("of payment {}, {left} can be refunded", self.payment);
            return Err(Rejection::at(Code::AmountExceeded, "/amount", detail).into());
        }
        let refund = give_back(ctx, &mut draft, position, amount, RefundCause::Requested)?;
        let (_, order) = draft.save(ctx)?;
        Ok(match refund {
            Some(refund) => Outcome::Payment(payment::Outcome::Refund(refund, order)),
            None => Outcome::Done,
        })
    }
}
