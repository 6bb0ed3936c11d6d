use serde::{Deserialize, Serialize};

use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::OrderId;
use crate::order::record::Draft;
use crate::order::{self, lifecycle};
use crate::outcome::Outcome;
use crate::rejection::Halt;

/// Erases what is personal in orders; the orders stay. Orders that are not there or are erased already are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseOrders {
    /// At most 200.
    pub orders: Vec<OrderId>,
}

impl Execute for EraseOrders {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        for order in &self.orders {
            erase(ctx, *order)?;
        }
        Ok(Outcome::Done)
    }
}

/// Erases what is personal in one order, from within another command. Says whether there was anything.
pub fn erase(ctx: &mut Ctx<'_, '_>, id: OrderId) -> Result<bool, Halt> {
    let Some(mut draft) = Draft::find(ctx, id)? else {
        return Ok(false);
    };
    if draft.order.personal.take().is_none() {
        return Ok(false);
    }
    lifecycle::tell(ctx, &draft, order::Event::Erased);
    draft.save(ctx)?;
    Ok(true)
}
