use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::broker::Fence;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::order::Orders;
use crate::outcome::Outcome;
use crate::payment::by_state::{IndexProgress, PaymentsByState, States, StatesIndexed};
use crate::rejection::Halt;
use crate::tables::Present;

/// The most orders of one step. Each has at most five entries, so that a step stays below what a command may change.
const MOST_ORDERS: usize = 150;

/// Adds orders from before there was an index of payments by state to it: one step from where the last one ended.
/// Repeated, it goes on; once all orders are in the index it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexStates {
    pub fence: Fence,
    /// How many orders the step takes: 1 to 150, and whatever is beyond counts as the nearest.
    pub orders: u32,
}

impl Execute for IndexStates {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let span = match ctx.tx.get::<StatesIndexed>(&())? {
            None => Span::<Orders>::all(),
            Some(IndexProgress::UpTo(last)) => Span::after(&last),
            Some(IndexProgress::Complete) => return Ok(Outcome::Done),
        };
        let most = (self.orders as usize).clamp(1, MOST_ORDERS);
        let step = ctx.tx.scan(span).take(most).collect::<Result<Vec<_>, _>>()?;
        for (id, order) in &step {
            for key in States::of(order).keys() {
                // Not `insert`: a change of the order since level 4 may have added it.
                ctx.tx.put::<PaymentsByState>(&(key, *id), &Present)?;
            }
        }
        let progress = match step.last() {
            Some((last, _)) if step.len() == most => IndexProgress::UpTo(*last),
            _ => IndexProgress::Complete,
        };
        ctx.tx.put::<StatesIndexed>(&(), &progress)?;
        Ok(Outcome::Done)
    }
}
