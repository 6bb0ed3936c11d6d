use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::FulfilmentId;
use crate::order::record::Draft;
use crate::order::{self, Delivered};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Notes that a shipment has arrived. Saying it twice changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverFulfilment {
    pub fulfilment: FulfilmentId,
}

impl Execute for DeliverFulfilment {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let id = self.fulfilment.order();
        let mut draft = Draft::load(ctx, id)?;
        let position = usize::from(self.fulfilment.ordinal()).checked_sub(1);
        let found = position.and_then(|position| draft.order.fulfilments.get_mut(position));
        let Some(fulfilment) = found else {
            let detail = format!("there is no fulfilment {}", self.fulfilment);
            return Err(Rejection::new(Code::NotFound, detail).into());
        };
        if fulfilment.delivered_at.is_some() {
            return Ok(order::Outcome::of(draft.unchanged()));
        }
        fulfilment.delivered_at = Some(ctx.now);
        ctx.emit(Event::Order(order::Event::Delivered(Delivered {
            order_id: id,
            number: draft.order.number,
            fulfilment_id: self.fulfilment,
        })));
        Ok(order::Outcome::of(draft.save(ctx)?))
    }
}
