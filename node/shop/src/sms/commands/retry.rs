use serde::{Deserialize, Serialize};
use storage::Read;

use super::change;
use crate::codes::Code;
use crate::command::Execute;
use crate::rejection::Rejection;
use crate::sms::{Event, Messages, State};
use crate::{Ctx, Event as ShopEvent, Halt, Outcome};

/// Makes a text message that has failed due again, with all tries before it. One of which nobody knows whether it left
/// may then arrive twice: only staff say so, nothing does it by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryMessage {
    /// The sequence number of the event that it follows from.
    pub seq: u64,
}

impl Execute for RetryMessage {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let seq = self.seq;
        let Some(mut message) = ctx.tx.get::<Messages>(&seq)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no text message {seq}")).into());
        };
        let why = match message.state {
            State::Failed { .. } => None,
            State::Pending { .. } => Some("is still to be sent"),
            State::Sending { .. } => Some("may have been sent: it is being looked up"),
            State::Sent { .. } => Some("was sent"),
        };
        if let Some(why) = why {
            return Err(Rejection::new(Code::Conflict, format!("text message {seq} {why}")).into());
        }
        message.tries = 0;
        change(ctx, seq, &mut message, State::Pending { since: ctx.now, next_at: ctx.now })?;
        let (order, kind) = (message.order, message.kind);
        ctx.emit(ShopEvent::Sms(Event::Retried { order, kind, seq }));
        Ok(Outcome::Done)
    }
}
