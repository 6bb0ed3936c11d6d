use serde::{Deserialize, Serialize};

use crate::actor::Caller;
use crate::cart::record::{load, save};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{CartId, CartItemId};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Takes an item out of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveItem {
    pub cart: CartId,
    pub caller: Caller,
    /// Refused with `precondition_failed` unless the cart has this revision.
    pub revision: Option<u64>,
    pub item: CartItemId,
}

impl Execute for RemoveItem {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut cart = load(ctx, self.cart, self.caller, self.revision)?;
        let before = cart.items.len();
        cart.items.retain(|item| item.id != self.item);
        if cart.items.len() == before {
            let detail = format!("there is no item {} in cart {}", self.item, self.cart);
            return Err(Rejection::new(Code::NotFound, detail).into());
        }
        save(ctx, self.cart, cart)
    }
}
