use serde::{Deserialize, Serialize};

use crate::actor::Caller;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::OrderId;
use crate::order::record::Draft;
use crate::order::{self, Status, lifecycle};
use crate::outcome::Outcome;
use crate::payment;
use crate::rejection::{Halt, Rejection};

/// Cancels an order of which nothing has shipped. What was paid is given back. While a payment is in flight the wish is
/// remembered, and carried out when its outcome is known. Canceling what is canceled changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    pub order: OrderId,
    pub caller: Caller,
}

impl Execute for CancelOrder {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut draft = Draft::load_for(ctx, self.order, self.caller)?;
        let status = draft.order.status;
        if status == Status::Canceled || draft.order.cancel_wanted {
            return Ok(order::Outcome::of(draft.unchanged()));
        }
        if !matches!(status, Status::PendingPayment | Status::Open) {
            let detail = format!("order {} is {}", self.order, status.as_str());
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        if draft.order.any_shipped() {
            let detail = format!("a part of order {} has shipped", self.order);
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        draft.order.cancel_wanted = true;
        payment::undo(ctx, &mut draft)?;
        if draft.order.status != Status::Canceled {
            lifecycle::tell(ctx, &draft, order::Event::CancelRequested);
        }
        Ok(order::Outcome::of(draft.save(ctx)?))
    }
}
