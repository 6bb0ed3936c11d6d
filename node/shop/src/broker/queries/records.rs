//! Reading what the broker keeps besides the feed.

use storage::{Fault, Read, Span, Table};

use crate::broker::{
    self, Group, Groups, Job, Jobs, Lease, Leases, MAX_GROUPS, MAX_TOPICS, MAX_TRIMMED_REPLIES, Offset,
    Position, Replies, RepliesByEpoch, StoredReply, Topic, Topics,
};
use crate::ids::JobId;
use crate::page::Found;
use crate::time::Timestamp;

/// The most stored replies that one search for expired ones looks at.
pub const MAX_REPLIES_EXAMINED: usize = 450;
const _: () =
    assert!(2 * MAX_REPLIES_EXAMINED <= MAX_TRIMMED_REPLIES, "what is found is trimmed by one command");
/// The most positions of one group that are read.
const MAX_OFFSETS: usize = 10_000;

/// A group's position in each partition, by topic and partition.
pub type Offsets = Vec<((String, u16), Offset)>;
/// Keys of stored replies, and the last one that was looked at if there are more.
pub type ExpiredReplies<K> = (Vec<K>, Option<K>);

/// All topics, by name: at most [`MAX_TOPICS`].
pub fn topics(read: &impl Read) -> Result<Vec<(String, Topic)>, Fault> {
    read.scan::<Topics>(Span::all()).take(MAX_TOPICS).collect()
}

/// A topic.
pub fn topic(read: &impl Read, name: &str) -> Result<Option<Topic>, Fault> {
    read.get::<Topics>(&name.to_owned())
}

/// The current lease of a queue.
pub fn lease(read: &impl Read, queue: &str) -> Result<Option<Lease>, Fault> {
    read.get::<Leases>(&queue.to_owned())
}

/// A consumer group.
pub fn group(read: &impl Read, name: &str) -> Result<Option<Group>, Fault> {
    read.get::<Groups>(&name.to_owned())
}

/// Consumer groups, by name.
pub fn groups(
    read: &impl Read,
    after: Option<String>,
    limit: usize,
) -> Result<Found<(String, Group), String>, Fault> {
    let span = after.map_or_else(Span::all, |after| Span::after(&after));
    Found::of(read.scan::<Groups>(span), limit)
}

/// The positions of a group, by topic and partition. The lag of each is the feed's last sequence number less the
/// position: how much of the feed it has not looked at.
pub fn offsets(read: &impl Read, group: &str) -> Result<Offsets, Fault> {
    let span = Span::<broker::Offsets>::prefix(&group.to_owned());
    let rows = read.scan::<broker::Offsets>(span).take(MAX_OFFSETS);
    rows.map(|row| row.map(|((_, topic, partition), offset)| ((topic, partition), offset))).collect()
}

/// All members of all groups, by group and name.
pub fn members(read: &impl Read) -> Result<Vec<(String, String)>, Fault> {
    let mut members = Vec::new();
    for row in read.scan::<Groups>(Span::all()).take(MAX_GROUPS) {
        let (name, group) = row?;
        members.extend(group.members.into_iter().map(|member| (name.clone(), member)));
    }
    Ok(members)
}

/// The partitions of a topic that a member has, and how far the group is done with each: 0 where it has not committed.
pub fn assignment(
    read: &impl Read,
    (name, group): (&str, &Group),
    member: &str,
    (topic, partitions): (&str, u16),
) -> Result<Vec<Position>, Fault> {
    let mut assigned = Vec::new();
    for partition in (0..partitions).filter(|partition| group.assigns(*partition, member)) {
        let offset = read.get::<broker::Offsets>(&(name.to_owned(), topic.to_owned(), partition))?;
        assigned.push(Position {
            topic: topic.to_owned(),
            partition,
            seq: offset.map_or(0, |offset| offset.seq),
        });
    }
    Ok(assigned)
}

/// A job.
pub fn job(read: &impl Read, id: JobId) -> Result<Option<Job>, Fault> {
    read.get::<Jobs>(&id)
}

/// Jobs, newest first.
pub fn jobs(
    read: &impl Read,
    after: Option<JobId>,
    limit: usize,
) -> Result<Found<(JobId, Job), JobId>, Fault> {
    let span = Span::all().reversed();
    let span = match after {
        Some(after) => span.resume_after(&after),
        None => span,
    };
    Found::of(read.scan::<Jobs>(span), limit)
}

/// The keys of replies whose time is over at `now`, out of the next [`MAX_REPLIES_EXAMINED`] behind `after`, and where
/// to go on; `None`: that was all.
pub fn expired_replies(
    read: &impl Read,
    now: Timestamp,
    after: Option<[u8; 32]>,
) -> Result<ExpiredReplies<[u8; 32]>, Fault> {
    expired::<Replies>(read, now, after, |_, _| false)
}

/// As [`expired_replies`], of those by epoch. It ends behind the first epoch with one whose time is not over: all later
/// ones are younger.
pub fn expired_replies_by_epoch(
    read: &impl Read,
    now: Timestamp,
    after: Option<(u64, [u8; 32])>,
) -> Result<ExpiredReplies<(u64, [u8; 32])>, Fault> {
    expired::<RepliesByEpoch>(read, now, after, |young, next| young.0 < next.0)
}

/// `is_end`: whether there is none behind a young one and before the next.
fn expired<T: Table<Key: Copy, Value = StoredReply>>(
    read: &impl Read,
    now: Timestamp,
    after: Option<T::Key>,
    is_end: impl Fn(&T::Key, &T::Key) -> bool,
) -> Result<ExpiredReplies<T::Key>, Fault> {
    let span = after.map_or_else(Span::all, |after| Span::after(&after));
    let (mut expired, mut young, mut last, mut examined) = (Vec::new(), None, None, 0);
    for record in read.scan::<T>(span).take(MAX_REPLIES_EXAMINED) {
        let (key, stored) = record?;
        if young.is_some_and(|young| is_end(&young, &key)) {
            return Ok((expired, None));
        }
        if now.since(stored.at) >= stored.kept_millis {
            expired.push(key);
        } else {
            young = Some(key);
        }
        last = Some(key);
        examined += 1;
    }
    Ok((expired, last.filter(|_| examined == MAX_REPLIES_EXAMINED)))
}
