use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::Fence;
use crate::command::Execute;
use crate::tables::Present;
use crate::notification::{Event, Notification, Notifications, NotificationsDue, State, Status, record};
use crate::time::Timestamp;
use crate::{Ctx, Event as ShopEvent, Halt, Outcome};

/// The most characters that are kept of why a mail failed.
const MAX_REASON_CHARS: usize = 200;

/// What became of some mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub fence: Fence,
    /// By the event's sequence number; at most 100.
    pub results: Vec<(u64, Delivery)>,
}

/// The end of one try. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// The mail server took it.
    Sent,
    /// It will never work, or was tried too often.
    Failed { reason: String },
    /// Try again then.
    Retry { at: Timestamp },
}

impl Execute for Report {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        for (seq, result) in &self.results {
            let Some(mut notification) = ctx.tx.get::<Notifications>(seq)? else { continue };
            // A second report of the same mail says nothing new.
            let State::Pending { next_at } = notification.state else { continue };
            ctx.tx.delete::<NotificationsDue>(&(next_at, *seq))?;
            notification.tries = notification.tries.saturating_add(1);
            notification.state = self.next_state(ctx, *seq, &notification, result)?;
            record::store(ctx, *seq, Some(Status::Pending), &notification)?;
        }
        Ok(Outcome::Done)
    }
}

impl Report {
    fn next_state(
        &self,
        ctx: &mut Ctx<'_, '_>,
        seq: u64,
        notification: &Notification,
        result: &Delivery,
    ) -> Result<State, Halt> {
        let (order, kind) = (notification.order, notification.kind);
        Ok(match result {
            Delivery::Sent => {
                ctx.emit(ShopEvent::Notification(Event::Sent { order, kind, seq }));
                State::Sent { at: ctx.now }
            }
            Delivery::Failed { reason } => {
                let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
                ctx.emit(ShopEvent::Notification(Event::Failed { order, kind, seq, reason: reason.clone() }));
                State::Failed { at: ctx.now, reason }
            }
            Delivery::Retry { at } => {
                let next_at = (*at).max(ctx.now);
                ctx.tx.put::<NotificationsDue>(&(next_at, seq), &Present)?;
                State::Pending { next_at }
            }
        })
    }
}
