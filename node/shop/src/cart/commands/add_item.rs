use serde::{Deserialize, Serialize};

use crate::actor::Caller;
use crate::cart::record::{check_item, check_quantity, load, save};
use crate::cart::{Item, MAX_ITEMS};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{CartId, CartItemId};
use crate::order::LineRequest;
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Puts units of a SKU into a cart, on top of those that are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddItem {
    pub cart: CartId,
    pub caller: Caller,
    /// Refused with `precondition_failed` unless the cart has this revision.
    pub revision: Option<u64>,
    pub item: LineRequest,
}

impl Execute for AddItem {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut cart = load(ctx, self.cart, self.caller, self.revision)?;
        let (sku, quantity) = (&self.item.sku, self.item.quantity);
        check_item(ctx, sku, quantity, "")?;
        let known = cart.items.iter().position(|item| item.sku == *sku);
        match known {
            Some(position) => {
                let item = &mut cart.items[position];
                item.quantity = item.quantity.saturating_add(quantity);
                check_quantity(item.quantity, "")?;
            }
            None if cart.items.len() >= MAX_ITEMS => {
                let detail = format!("a cart has at most {MAX_ITEMS} items");
                return Err(Rejection::new(Code::LimitReached, detail).into());
            }
            None => {
                let id = CartItemId::fresh(&mut ctx.ids);
                cart.items.push(Item { id, sku: sku.clone(), quantity });
            }
        }
        save(ctx, self.cart, cart)
    }
}
