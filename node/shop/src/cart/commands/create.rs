use serde::{Deserialize, Serialize};

use crate::cart::commands::replace_items::items;
use crate::cart::{self, Cart, Carts, State};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{CartId, ClientId};
use crate::money::Currency;
use crate::order::LineRequest;
use crate::outcome::Outcome;
use crate::rejection::Halt;

/// Makes a cart, with items or empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateCart {
    /// The client that makes it; `None`: a guest.
    pub owner: Option<ClientId>,
    pub currency: Currency,
    /// Those of one SKU are added up.
    pub items: Vec<LineRequest>,
}

impl Execute for CreateCart {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let id = CartId::fresh(&mut ctx.ids);
        let cart = Cart {
            owner: self.owner,
            currency: self.currency,
            items: items(ctx, &[], &self.items)?,
            state: State::Open,
            revision: 1,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        ctx.tx.insert::<Carts>(&id, &cart)?;
        Ok(Outcome::Cart(cart::Outcome::Cart(id, cart)))
    }
}
