//! Reading a cart to change it, and storing it.

use storage::Read;

use crate::actor::Caller;
use crate::cart::{self, Cart, Carts, State};
use crate::catalog::{Sku, Skus};
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::ids::CartId;
use crate::order::MAX_QUANTITY;
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// An open cart of the caller's, at the revision that the caller has seen (any if it names none).
pub(super) fn load(
    ctx: &Ctx<'_, '_>,
    id: CartId,
    caller: Caller,
    revision: Option<u64>,
) -> Result<Cart, Halt> {
    let Some(cart) = ctx.tx.get::<Carts>(&id)?.filter(|cart| caller.may_touch(cart.owner)) else {
        return Err(Rejection::new(Code::NotFound, format!("there is no cart {id}")).into());
    };
    if let State::Placed { order, .. } = cart.state {
        let detail = format!("cart {id} was placed as order {order}");
        return Err(Rejection::new(Code::Conflict, detail).into());
    }
    if let Some(expected) = revision
        && expected != cart.revision
    {
        let detail = format!("cart {id} has revision {}, not {expected}", cart.revision);
        return Err(Rejection::new(Code::PreconditionFailed, detail).into());
    }
    Ok(cart)
}

/// Stores a changed cart under its next revision.
pub(super) fn save(ctx: &mut Ctx<'_, '_>, id: CartId, mut cart: Cart) -> Result<Outcome, Halt> {
    cart.revision += 1;
    cart.updated_at = ctx.now;
    ctx.tx.put::<Carts>(&id, &cart)?;
    Ok(Outcome::Cart(cart::Outcome::Cart(id, cart)))
}

/// Refuses what could never be ordered; whether it can be ordered today is asked when it is.
pub(super) fn check_item(ctx: &Ctx<'_, '_>, sku: &Sku, quantity: u32, pointer: &str) -> Result<(), Halt> {
    check_quantity(quantity, pointer)?;
    if ctx.tx.get::<Skus>(sku)?.is_some_and(|record| record.sellable) {
        return Ok(());
    }
    let detail = format!("{sku} is not for sale");
    Err(Rejection::at(Code::SkuNotSellable, format!("{pointer}/sku"), detail).into())
}

pub(super) fn check_quantity(quantity: u32, pointer: &str) -> Result<(), Rejection> {
    if (1..=MAX_QUANTITY).contains(&quantity) {
        return Ok(());
    }
    let detail = format!("an item has 1 to {MAX_QUANTITY} units");
    Err(Rejection::at(Code::InvalidValue, format!("{pointer}/quantity"), detail))
}
