use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::Fence;
use crate::command::Execute;
use crate::notification::{Notification, Notifications, State, record};
use crate::time::Timestamp;
use crate::{Ctx, Halt, Outcome};

/// Forgets notifications that ended before a time. The ones named and still pending or younger stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimNotifications {
    pub fence: Fence,
    /// By the event's sequence number; at most 500, each with an entry in an index: as many keys as a command may change.
    pub seqs: Vec<u64>,
    pub ended_before: Timestamp,
}

impl Execute for TrimNotifications {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        for seq in &self.seqs {
            let Some(Notification { state, .. }) = ctx.tx.get::<Notifications>(seq)? else { continue };
            if let State::Sent { at } | State::Failed { at, .. } = state
                && at < self.ended_before
            {
                record::remove(ctx, *seq, state.status())?;
            }
        }
        Ok(Outcome::Done)
    }
}
