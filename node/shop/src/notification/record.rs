//! Storing a notification with its entry in the index of statuses.

use storage::Fault;

use super::{Notification, Notifications, NotificationsByStatus, Status};
use crate::ctx::Ctx;
use crate::tables::Present;

/// The level from which on there is an index.
const SINCE: u32 = 4;

/// Stores a notification that had a status before the command, or was not there.
pub(super) fn store(
    ctx: &mut Ctx<'_, '_>,
    seq: u64,
    before: Option<Status>,
    notification: &Notification,
) -> Result<(), Fault> {
    let status = notification.state.status();
    if before != Some(status) {
        unlist(ctx, seq, before)?;
        if ctx.active_version >= SINCE {
            ctx.tx.put::<NotificationsByStatus>(&(status.key(), seq), &Present)?;
        }
    }
    ctx.tx.put::<Notifications>(&seq, notification)
}

/// Forgets a notification.
pub(super) fn remove(ctx: &mut Ctx<'_, '_>, seq: u64, status: Status) -> Result<(), Fault> {
    unlist(ctx, seq, Some(status))?;
    ctx.tx.delete::<Notifications>(&seq)?;
    Ok(())
}

fn unlist(ctx: &mut Ctx<'_, '_>, seq: u64, status: Option<Status>) -> Result<(), Fault> {
    if let Some(status) = status
        && ctx.active_version >= SINCE
    {
        ctx.tx.delete::<NotificationsByStatus>(&(status.key(), seq))?;
    }
    Ok(())
}
