use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::broker::{Fence, settings};
use crate::cart::{self, Carts, State};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::CartId;
use crate::outcome::Outcome;
use crate::rejection::Halt;

/// How long a cart is kept after it became an order: 7 days, as long as the answer to its placing.
const PLACED_KEPT_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// The most carts that one step looks at.
const MAX_LOOKED_AT: usize = 500;
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// Deletes carts that nobody has touched for the days that the settings say, and those that became orders: one bounded
/// step through the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimCarts {
    pub fence: Fence,
    /// Where the last step ended; `None`: begin anew.
    pub after: Option<CartId>,
}

impl Execute for TrimCarts {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let kept_millis = u64::from(settings(&*ctx.tx)?.cart_days) * DAY_MILLIS;
        let span = self.after.map_or_else(Span::<Carts>::all, |after| Span::after(&after));
        let step = ctx.tx.scan(span).take(MAX_LOOKED_AT).collect::<Result<Vec<_>, _>>()?;
        let next = if step.len() == MAX_LOOKED_AT { step.last().map(|(id, _)| *id) } else { None };
        let mut removed = 0;
        for (id, cart) in step {
            let kept = match cart.state {
                State::Open => kept_millis,
                State::Placed { .. } => PLACED_KEPT_MILLIS,
            };
            if ctx.now.since(cart.updated_at) >= kept {
                ctx.tx.delete::<Carts>(&id)?;
                removed += 1;
            }
        }
        Ok(Outcome::Cart(cart::Outcome::Trimmed { removed, next }))
    }
}
