use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::Fence;
use crate::command::Execute;
use crate::notification::{Notifications, State};
use crate::time::Timestamp;
use crate::{Ctx, Halt, Outcome};

/// Forgets notifications that ended before a time. The ones named and still pending or younger stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimNotifications {
    pub fence: Fence,
    /// By the event's sequence number; at most 500.
    pub seqs: Vec<u64>,
    pub ended_before: Timestamp,
}

impl Execute for TrimNotifications {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        for seq in &self.seqs {
            let ended = ctx.tx.get::<Notifications>(seq)?.and_then(|notification| match notification.state {
                State::Pending { .. } => None,
                State::Sent { at } | State::Failed { at, .. } => Some(at),
            });
            if ended.is_some_and(|at| at < self.ended_before) {
                ctx.tx.delete::<Notifications>(seq)?;
            }
        }
        Ok(Outcome::Done)
    }
}
