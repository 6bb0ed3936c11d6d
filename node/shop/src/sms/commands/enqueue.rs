use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::Fence;
use crate::command::Execute;
use crate::ids::OrderId;
use crate::sms::{Cursor, Kind, Message, Position, State};
use crate::{Ctx, Halt, Outcome};

/// Turns events into text messages and moves the cursor past them, at once: an event is looked at exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnqueueMessages {
    pub fence: Fence,
    /// The last event looked at, whether anything follows from it or not.
    pub up_to: u64,
    /// At most 100.
    pub items: Vec<Item>,
}

/// A text message that follows from an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub seq: u64,
    pub kind: Kind,
    pub order: OrderId,
}

impl Execute for EnqueueMessages {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        let done = ctx.tx.get::<Cursor>(&())?.map_or(0, |position| position.0);
        for item in self.items.iter().filter(|item| item.seq > done && item.seq <= self.up_to) {
            let message = Message {
                kind: item.kind,
                order: item.order,
                created_at: ctx.now,
                tries: 0,
                state: State::Pending { since: ctx.now, next_at: ctx.now },
            };
            super::store(ctx, item.seq, &message)?;
        }
        if self.up_to > done {
            ctx.tx.put::<Cursor>(&(), &Position(self.up_to))?;
        }
        Ok(Outcome::Done)
    }
}
