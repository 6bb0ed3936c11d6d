//! What the worker and the admin ask.

use storage::{Fault, Read, Span, Table};

use crate::page::{Found, MAX_LIMIT};
use crate::time::Timestamp;

use super::{
    Cursor, IndexProgress, Notification, Notifications, NotificationsByStatus, NotificationsDue, Status,
    StatusesIndexed,
};

/// The most notifications that a piece of a list looks at.
const MOST_LOOKED_AT: usize = 1_000;

/// Up to which event notifications have been derived.
pub fn cursor(read: &impl Read) -> Result<u64, Fault> {
    Ok(read.get::<Cursor>(&())?.map_or(0, |position| position.0))
}

/// Notifications whose next try is due, oldest first.
pub fn due(read: &impl Read, now: Timestamp, limit: usize) -> Result<Vec<(u64, Notification)>, Fault> {
    let mut found = Vec::new();
    for entry in read.scan::<NotificationsDue>(Span::all()).take(limit) {
        let ((at, seq), _) = entry?;
        if at > now {
            break;
        }
        if let Some(notification) = read.get::<Notifications>(&seq)? {
            found.push((seq, notification));
        }
    }
    Ok(found)
}

/// Newest first; `before` is the sequence number of the last one seen. With a status and as long as the index of statuses is
/// not complete, a bounded number of notifications is looked at: a piece may be short, or empty, and have more behind it.
pub fn list(
    read: &impl Read,
    status: Option<Status>,
    before: Option<u64>,
    limit: usize,
) -> Result<Found<(u64, Notification), u64>, Fault> {
    if let Some(status) = status
        && statuses_are_indexed(read)?
    {
        let key = |seq| (status.key(), seq);
        let span = newest_first(Span::<NotificationsByStatus>::prefix(&status.key()), before.map(key));
        let seqs = read.scan(span).map(|entry| entry.map(|((_, seq), _)| (seq, ())));
        return Found::of(seqs, limit)?.try_map(|(seq, ())| load(read, seq));
    }
    let span = newest_first(Span::<Notifications>::all(), before);
    let limit = limit.clamp(1, MAX_LIMIT);
    let (mut items, mut last) = (Vec::new(), None);
    for (looked_at, entry) in read.scan(span).enumerate() {
        let (seq, notification) = entry?;
        if looked_at == MOST_LOOKED_AT || items.len() == limit {
            return Ok(Found { items, next: last });
        }
        last = Some(seq);
        if status.is_none_or(|status| notification.state.status() == status) {
            items.push((seq, notification));
        }
    }
    Ok(Found { items, next: None })
}

/// Whether the index of statuses has all notifications.
pub fn statuses_are_indexed(read: &impl Read) -> Result<bool, Fault> {
    Ok(read.get::<StatusesIndexed>(&())? == Some(IndexProgress::Complete))
}

fn newest_first<T: Table>(span: Span<T>, before: Option<T::Key>) -> Span<T> {
    let span = span.reversed();
    match before {
        Some(before) => span.resume_after(&before),
        None => span,
    }
}

/// The notification that the index names.
fn load(read: &impl Read, seq: u64) -> Result<(u64, Notification), Fault> {
    let notification = read.get::<Notifications>(&seq)?;
    notification
        .map(|notification| (seq, notification))
        .ok_or_else(|| Fault::corrupt("the notifications' index", format!("{seq} is not there")))
}

/// Notifications that ended before a time, oldest first, after `after`; at most `limit` records are looked at. The
/// second value is where to go on, `None` at the end.
pub fn ended_before(
    read: &impl Read,
    time: Timestamp,
    after: u64,
    limit: usize,
) -> Result<(Vec<u64>, Option<u64>), Fault> {
    let mut found = Vec::new();
    let mut last = None;
    for (count, entry) in read.scan::<Notifications>(Span::after(&after)).take(limit).enumerate() {
        let (seq, notification) = entry?;
        if let super::State::Sent { at } | super::State::Failed { at, .. } = notification.state
            && at < time
        {
            found.push(seq);
        }
        last = (count + 1 == limit).then_some(seq);
    }
    Ok((found, last))
}
