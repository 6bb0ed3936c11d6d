//! Reading the feed and what the broker keeps besides it.

mod feed;
mod records;

pub use feed::{FeedFilter, FeedPage, MAX_EXAMINED, Recorded, event_at, feed, first_seq};
pub use records::{
    assignment, expired_replies, expired_replies_by_epoch, group, groups, job, jobs, lease, members, offsets,
    topic, topics,
};

use storage::{Fault, Read, Span};

use crate::event::{Batch, Event};
use crate::ids::RequestId;

use super::Events;

/// The sequence number of the last event; 0 before the first.
pub fn last_seq(read: &impl Read) -> Result<u64, Fault> {
    let last = read.scan::<Events>(Span::all().reversed()).next().transpose()?;
    Ok(last.map_or(0, |(_, batch)| batch.counters.next_seq.saturating_sub(1)))
}

/// The events after `seq`, in order, at most `limit`.
pub fn feed_after(read: &impl Read, seq: u64, limit: usize) -> Result<Vec<(u64, Event)>, Fault> {
    let mut found = Vec::new();
    for entry in batches_after(read, seq)? {
        let (base, batch) = entry?;
        for (event_seq, event) in (base..).zip(batch.events) {
            if found.len() == limit {
                return Ok(found);
            }
            if event_seq > seq {
                found.push((event_seq, event));
            }
        }
    }
    Ok(found)
}

/// The batches with events after `seq`, in order. The first may begin before it: batches are stored under their first
/// event's number, so the one that holds `seq + 1` is found by looking back.
pub fn batches_after(
    read: &impl Read,
    seq: u64,
) -> Result<impl Iterator<Item = Result<(u64, Batch), Fault>>, Fault> {
    let next = seq.saturating_add(1);
    let holding =
        read.scan::<Events>(Span::all().until(&next.saturating_add(1)).reversed()).next().transpose()?;
    let from = holding.map_or(next, |(base, _)| base);
    Ok(read.scan::<Events>(Span::from(&from)))
}

/// Whose command the log entry at `index` was, among the last 4,096 commands with events; `None` if it is not among them.
///
/// # Errors
/// A fault of storage.
pub fn request_at(read: &impl Read, index: u64) -> Result<Option<RequestId>, Fault> {
    for entry in read.scan::<Events>(Span::all().reversed()).take(4_096) {
        let (_, batch) = entry?;
        if batch.index <= index {
            return Ok((batch.index == index).then_some(batch.request));
        }
    }
    Ok(None)
}
