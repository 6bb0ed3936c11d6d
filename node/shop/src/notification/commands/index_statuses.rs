use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::broker::Fence;
use crate::command::Execute;
use crate::notification::{IndexProgress, Notifications, NotificationsByStatus, StatusesIndexed};
use crate::tables::Present;
use crate::{Ctx, Halt, Outcome};

/// The most notifications of one step: each has one entry.
const MOST_NOTIFICATIONS: usize = 500;

/// Adds notifications from before there was an index of statuses to it: one step from where the last one ended. Repeated,
/// it goes on; once all are in the index it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexStatuses {
    pub fence: Fence,
    /// How many the step takes: 1 to 500, and whatever is beyond counts as the nearest.
    pub notifications: u32,
}

impl Execute for IndexStatuses {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        let span = match ctx.tx.get::<StatusesIndexed>(&())? {
            None => Span::<Notifications>::all(),
            Some(IndexProgress::UpTo(last)) => Span::after(&last),
            Some(IndexProgress::Complete) => return Ok(Outcome::Done),
        };
        let most = (self.notifications as usize).clamp(1, MOST_NOTIFICATIONS);
        let step = ctx.tx.scan(span).take(most).collect::<Result<Vec<_>, _>>()?;
        for (seq, notification) in &step {
            ctx.tx
                .put::<NotificationsByStatus>(&(notification.state.status().key(), *seq), &Present)?;
        }
        let progress = match step.last() {
            Some((last, _)) if step.len() == most => IndexProgress::UpTo(*last),
            _ => IndexProgress::Complete,
        };
        ctx.tx.put::<StatusesIndexed>(&(), &progress)?;
        Ok(Outcome::Done)
    }
}
