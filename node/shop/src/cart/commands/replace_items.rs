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

/// Sets all items of a cart at once. Items of a SKU that was in it keep their id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceItems {
    pub cart: CartId,
    pub caller: Caller,
    /// Refused with `precondition_failed` unless the cart has this revision.
    pub revision: Option<u64>,
    pub items: Vec<LineRequest>,
}

impl Execute for ReplaceItems {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut cart = load(ctx, self.cart, self.caller, self.revision)?;
        cart.items = items(ctx, &cart.items, &self.items)?;
        save(ctx, self.cart, cart)
    }
}

/// The items that are wanted: those of one SKU are added up, and keep the id that the SKU has `before`.
pub(super) fn items(
    ctx: &mut Ctx<'_, '_>,
    before: &[Item],
    wanted: &[LineRequest],
) -> Result<Vec<Item>, Halt> {
    if wanted.len() > MAX_ITEMS {
        let detail = format!("a cart has at most {MAX_ITEMS} items");
        return Err(Rejection::at(Code::InvalidValue, "/items", detail).into());
    }
    let mut items: Vec<Item> = Vec::with_capacity(wanted.len());
    for (position, line) in wanted.iter().enumerate() {
        let pointer = format!("/items/{position}");
        check_item(ctx, &line.sku, line.quantity, &pointer)?;
        if let Some(item) = items.iter_mut().find(|item| item.sku == line.sku) {
            item.quantity = item.quantity.saturating_add(line.quantity);
            check_quantity(item.quantity, &pointer)?;
            continue;
        }
        let known = before.iter().find(|item| item.sku == line.sku).map(|item| item.id);
        let id = known.unwrap_or_else(|| CartItemId::fresh(&mut ctx.ids));
        items.push(Item { id, sku: line.sku.clone(), quantity: line.quantity });
    }
    Ok(items)
}
