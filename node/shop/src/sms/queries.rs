//! What the worker and the admin ask.

use storage::{Fault, Read, Span};

use crate::page::Found;
use crate::time::Timestamp;

use super::{Cursor, Message, Messages, MessagesByStatus, MessagesDue, Status};

/// Up to which event text messages have been derived; `None` while none ever were.
pub fn cursor(read: &impl Read) -> Result<Option<u64>, Fault> {
    Ok(read.get::<Cursor>(&())?.map(|position| position.0))
}

/// Text messages that are to be sent or looked up by now, those that waited longest first.
pub fn due(read: &impl Read, now: Timestamp, limit: usize) -> Result<Vec<(u64, Message)>, Fault> {
    let mut found = Vec::new();
    for entry in read.scan::<MessagesDue>(Span::all()).take(limit) {
        let ((at, seq), _) = entry?;
        if at > now {
            break;
        }
        if let Some(message) = read.get::<Messages>(&seq)? {
            found.push((seq, message));
        }
    }
    Ok(found)
}

/// Newest first; `before` is the sequence number of the last one seen.
pub fn list(
    read: &impl Read,
    status: Option<Status>,
    before: Option<u64>,
    limit: usize,
) -> Result<Found<(u64, Message), u64>, Fault> {
    let Some(status) = status else {
        let span = Span::<Messages>::all().reversed();
        let span = match before {
            Some(seq) => span.resume_after(&seq),
            None => span,
        };
        return Found::of(read.scan(span), limit);
    };
    let span = Span::<MessagesByStatus>::prefix(&status.key()).reversed();
    let span = match before {
        Some(seq) => span.resume_after(&(status.key(), seq)),
        None => span,
    };
    let seqs = read.scan(span).map(|entry| entry.map(|((_, seq), _)| (seq, ())));
    Found::of(seqs, limit)?.try_map(|(seq, ())| {
        let message = read.get::<Messages>(&seq)?;
        message.map(|message| (seq, message)).ok_or_else(|| {
            Fault::corrupt("the list of text messages by status", format!("{seq} is listed and not there"))
        })
    })
}

/// Text messages that ended before a time, oldest first, after `after`; at most `limit` records are looked at. The
/// second value is where to go on, `None` at the end.
pub fn ended_before(
    read: &impl Read,
    time: Timestamp,
    after: u64,
    limit: usize,
) -> Result<(Vec<u64>, Option<u64>), Fault> {
    let mut found = Vec::new();
    let mut last = None;
    for (count, entry) in read.scan::<Messages>(Span::after(&after)).take(limit).enumerate() {
        let (seq, message) = entry?;
        if message.state.ended_at().is_some_and(|at| at < time) {
            found.push(seq);
        }
        last = (count + 1 == limit).then_some(seq);
    }
    Ok((found, last))
}
