use serde::{Deserialize, Serialize};

use crate::actor::Caller;
use crate::cart::record::{check_quantity, load, save};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{CartId, CartItemId};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Sets the units of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeItem {
    pub cart: CartId,
    pub caller: Caller,
    /// Refused with `precondition_failed` unless the cart has this revision.
    pub revision: Option<u64>,
    pub item: CartItemId,
    pub quantity: u32,
}

impl Execute for ChangeItem {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut cart = load(ctx, self.cart, self.caller, self.revision)?;
        check_quantity(self.quantity, "")?;
        let Some(item) = cart.items.iter_mut().find(|item| item.id == self.item) else {
            let detail = format!("there is no item {} in cart {}", self.item, self.cart);
            return Err(Rejection::new(Code::NotFound, detail).into());
        };
        item.quantity = self.quantity;
        save(ctx, self.cart, cart)
    }
}
