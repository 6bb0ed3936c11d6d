use serde::{Deserialize, Serialize};

use crate::broker::Fence;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::OrderId;
use crate::order::record::Draft;
use crate::order::{self, Hold, Status, lifecycle};
use crate::outcome::Outcome;
use crate::payment;
use crate::rejection::{Halt, Rejection};

/// Lets go of an order that was not paid in time. Refused while a payment is in flight: the hold is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpireOrder {
    pub fence: Fence,
    pub order: OrderId,
}

impl Execute for ExpireOrder {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let mut draft = Draft::load(ctx, self.order)?;
        let expires_at = match (draft.order.status, draft.order.hold) {
            (Status::PendingPayment, Hold::Active { expires_at }) => expires_at,
            _ => return Ok(Outcome::Done),
        };
        if draft.order.is_pinned() {
            let detail = format!("a payment of order {} is in flight", self.order);
            return Err(Rejection::new(Code::PaymentInProgress, detail).into());
        }
        if ctx.now < expires_at {
            let detail = format!("order {} is held until {expires_at}", self.order);
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        payment::drop_unsent(ctx, &mut draft);
        lifecycle::expire(ctx, &mut draft)?;
        Ok(order::Outcome::of(draft.save(ctx)?))
    }
}

#[cfg(test)]
mod tests {
    use super::ExpireOrder;
    use crate::codes::Code;
    use crate::order::Status;
    use crate::order::testing::{Desk, fence, lines};
    use crate::outcome::Outcome;

    #[test]
    fn an_order_expires_when_its_time_is_over_and_only_once() {
        let mut desk = Desk::new();
        let order = desk.place(lines(&[("TEA-1", 2)]));
        let expire = || ExpireOrder { fence: fence(), order };
        assert_eq!(desk.bench.refused(expire()).code, Code::Conflict);
        desk.bench.pass_millis(30 * 60 * 1_000);
        desk.bench.ok(expire());
        assert_eq!((desk.order(order).status, desk.levels("TEA-1").held), (Status::Expired, 0));
        assert_eq!(desk.order(order).attempts[0].state, crate::payment::State::Canceled);
        assert_eq!(desk.bench.ok(expire()), Outcome::Done);
    }

    #[test]
    fn a_stale_worker_expires_nothing() {
        let mut desk = Desk::new();
        let order = desk.place(lines(&[("TEA-1", 2)]));
        desk.bench.pass_millis(30 * 60 * 1_000);
        let fence = crate::broker::Fence { epoch: 0, ..fence() };
        assert_eq!(desk.bench.refused(ExpireOrder { fence, order }).code, Code::StaleEpoch);
    }
}
