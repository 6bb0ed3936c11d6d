use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::Fence;
use crate::command::Execute;
use crate::sms::Messages;
use crate::time::Timestamp;
use crate::{Ctx, Halt, Outcome};

/// Forgets text messages that ended before a time. The ones named that have not ended, or later, stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimMessages {
    pub fence: Fence,
    /// By the event's sequence number; at most 500.
    pub seqs: Vec<u64>,
    pub ended_before: Timestamp,
}

impl Execute for TrimMessages {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        for seq in &self.seqs {
            let Some(message) = ctx.tx.get::<Messages>(seq)? else { continue };
            if message.state.ended_at().is_some_and(|at| at < self.ended_before) {
                super::unlist(ctx, *seq, &message)?;
                ctx.tx.delete::<Messages>(seq)?;
            }
        }
        Ok(Outcome::Done)
    }
}
