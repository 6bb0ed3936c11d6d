//! What a log holds, and what of it waits for the disk.

use std::{collections::VecDeque, io, sync::Arc, time::Instant};

use openraft::{entry::RaftEntry as _, storage::IOFlushed};
use tokio::sync::oneshot;

use super::{
    format::{Bounds, HEAD_BYTES, Record, put_entry, put_record, seal},
    segment::Segment,
};
use crate::{
    codec::payload_size,
    types::{LogId, Payload, RaftEntry, TypeConfig, Vote},
};

/// Payloads kept in memory. Older ones are read from the disk.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// What waits for a disk that takes nothing may not grow beyond this. Commands that wait are bounded long before.
const PENDING_BYTES: usize = 1 << 30;

/// A buffer that grew larger than this is given back.
const SPARE_BYTES: usize = 1024 * 1024;

/// Who is told when what was written up to now is durable.
pub(super) enum Waiter {
    Append { flushed: IOFlushed<TypeConfig>, entries: u64, bytes: u64, since: Instant },
    Reply(oneshot::Sender<io::Result<()>>),
}

/// An entry of the log.
#[derive(Debug)]
struct Kept {
    id: LogId,
    payload: Option<Payload>,
    /// The position of its record; counted from the beginning of `pending` as long as the record is in there.
    at: u64,
    bytes: usize,
}

/// Where the record of an entry is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub id: LogId,
    /// `None` if there is none that could have it.
    pub segment: Option<Arc<Segment>>,
    pub at: u64,
    pub bytes: usize,
}

/// What is written at once.
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    pub waiters: Vec<Waiter>,
    /// The largest index among its entries.
    pub largest: u64,
    /// How far the log is purged once this is durable.
    pub purged: Option<u64>,
    /// The position behind it.
    end: u64,
}

#[derive(Default)]
pub(super) struct State {
    bounds: Bounds,
    /// The index of the next entry. 0 if nothing was ever there: then any may be the first.
    next: u64,
    /// Without gaps; the first one's index is in its id.
    entries: VecDeque<Kept>,
    /// Entries from this index on are in `pending`.
    unplaced: u64,
    /// Entries from this index on were read when the log was opened.
    begin: u64,
    /// How many of the first entries have their payload on the disk only, and what the others' take.
    evicted: usize,
    cached_bytes: usize,
    /// Batches up to this position are on the disk.
    written: u64,

    /// Records that wait to be written, behind room for the head of a batch.
    pending: Vec<u8>,
    largest_pending: u64,
    waiters: Vec<Waiter>,
    /// The bounds when the last batch was taken.
    bounds_taken: Bounds,
    spare: Vec<u8>,

    /// Whether somebody wants what waits to be durable.
    pub due: bool,
    pub closing: bool,
    pub failed: Option<String>,
    pub segments: Vec<Arc<Segment>>,
}

impl State {
    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    fn first(&self) -> u64 {
        self.entries.front().map_or(self.next, |kept| kept.id.index)
    }

    // -- changes

    /// # Errors
    /// The entry does not follow the last one, or too much waits for the disk.
    pub(super) fn append(&mut self, entry: RaftEntry) -> io::Result<()> {
        let id = entry.log_id();
        self.follows(&id)?;
        if self.pending.len() > PENDING_BYTES {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the disk has taken nothing for too long"));
        }
        let at = self.pending().len();
        put_entry(&mut self.pending, &id, &entry.payload);
        let bytes = self.pending.len() - at;
        self.largest_pending = self.largest_pending.max(id.index);
        self.push(Kept { id, payload: Some(entry.payload), at: at as u64, bytes });
        Ok(())
    }

    pub(super) fn save_vote(&mut self, vote: Vote) {
        self.put(&Record::Vote(vote));
        self.bounds.vote = Some(vote);
    }

    pub(super) fn save_committed(&mut self, id: LogId) {
        self.put(&Record::Committed(id));
        self.bounds.committed = Some(id);
    }

    pub(super) fn truncate(&mut self, from: u64) {
        if from < self.next {
            self.put(&Record::Truncated(from));
            self.forget_from(from);
        }
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        self.put(&Record::Purged(upto));
        self.forget_upto(upto);
    }

    pub(super) fn wait(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
        self.due = true;
    }

    pub(super) fn take_waiters(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiters)
    }

    fn put(&mut self, record: &Record) {
        put_record(self.pending(), record);
    }

    fn pending(&mut self) -> &mut Vec<u8> {
        if self.pending.is_empty() {
            self.pending = std::mem::take(&mut self.spare);
            self.pending.resize(HEAD_BYTES, 0);
        }
        &mut self.pending
    }

    fn follows(&self, id: &LogId) -> io::Result<()> {
        if self.next > 0 && id.index != self.next {
            let why = format!("entry {} does not follow entry {}", id.index, self.next.saturating_sub(1));
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }

    fn push(&mut self, kept: Kept) {
        self.bounds.last = Some(kept.id);
        self.next = kept.id.index + 1;
        self.cached_bytes += kept.payload.as_ref().map_or(0, payload_size);
        self.entries.push_back(kept);
    }

    fn forget_from(&mut self, from: u64) {
        let keep = from.saturating_sub(self.first()).min(self.entries.len() as u64) as usize;
        for kept in self.entries.drain(keep..) {
            self.cached_bytes -= kept.payload.as_ref().map_or(0, payload_size);
        }
        self.evicted = self.evicted.min(keep);
        self.unplaced = self.unplaced.min(from);
        self.next = self.next.min(from);
        self.bounds.last = self.last();
    }

    fn forget_upto(&mut self, upto: LogId) {
        let drop = (upto.index + 1).saturating_sub(self.first()).min(self.entries.len() as u64) as usize;
        for kept in self.entries.drain(..drop) {
            self.cached_bytes -= kept.payload.as_ref().map_or(0, payload_size);
        }
        self.evicted = self.evicted.saturating_sub(drop);
        self.bounds.purged = self.bounds.purged.max(Some(upto));
        self.next = self.next.max(upto.index + 1);
        self.bounds.last = self.last();
    }

    /// Of what is there. While the log is opened, entries may not be that will turn out to be purged.
    fn last(&self) -> Option<LogId> {
        self.entries.back().map(|kept| kept.id).or(self.bounds.purged)
    }

    // -- to the disk

    /// Bytes of the batch that [`State::take`] would give.
    pub(super) fn batch_bytes(&self) -> u64 {
        self.pending.len() as u64 + 1
    }

    pub(super) fn has_records(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What waits, as the batch at `position`, which is byte `offset` of its segment; with the bounds of what is before it, if it begins a segment.
    pub(super) fn take(&mut self, position: u64, offset: u64, begins: bool) -> Batch {
        let mut bytes = std::mem::take(self.pending());
        let mut place = position;
        if begins {
            let records = bytes.split_off(HEAD_BYTES);
            put_record(&mut bytes, &Record::Bounds(self.bounds_taken));
            place += (bytes.len() - HEAD_BYTES) as u64;
            bytes.extend_from_slice(&records);
        }
        seal(&mut bytes, position, offset as usize);
        let placed = self.unplaced.saturating_sub(self.first()).min(self.entries.len() as u64) as usize;
        for kept in self.entries.range_mut(placed..) {
            kept.at += place;
        }
        self.unplaced = self.next;
        self.bounds_taken = self.bounds;
        self.due = false;
        Batch {
            end: position + bytes.len() as u64,
            bytes,
            waiters: self.take_waiters(),
            largest: std::mem::take(&mut self.largest_pending),
            purged: self.bounds.purged.map(|id| id.index),
        }
    }

    /// A batch is on the disk: the memory of its bytes may be used again, and the oldest payloads be dropped.
    pub(super) fn written(&mut self, batch: &mut Batch) {
        self.written = batch.end;
        self.evict();
        if self.spare.is_empty() && batch.bytes.capacity() <= SPARE_BYTES {
            self.spare = std::mem::take(&mut batch.bytes);
            self.spare.clear();
        }
    }

    fn evict(&mut self) {
        while self.cached_bytes > CACHE_BYTES
            && let Some(kept) = self.entries.get_mut(self.evicted)
            && kept.id.index < self.unplaced
            && kept.at < self.written
        {
            self.cached_bytes -= kept.payload.take().as_ref().map_or(0, payload_size);
            self.evicted += 1;
        }
    }

    // -- from the disk

    /// Takes a record that was read at `at` when the log was opened. `anew` is for the first one, and for the first one behind
    /// a gap: what was read before does not count.
    ///
    /// # Errors
    /// It cannot follow what was read before.
    pub(super) fn replay(
        &mut self,
        at: u64,
        bytes: usize,
        record: Record,
        anew: bool,
    ) -> Result<(), &'static str> {
        if anew {
            let Record::Bounds(bounds) = record else { return Err("a segment begins without bounds") };
            let next = bounds.last.map_or(0, |id| id.index + 1);
            *self = State { bounds, begin: next, next, ..State::default() };
            return Ok(());
        }
        match record {
            Record::Entry(id, payload) => {
                self.follows(&id).map_err(|_| "an entry does not follow the one before it")?;
                self.push(Kept { id, payload: Some(payload), at, bytes });
                (self.unplaced, self.written) = (self.next, at + bytes as u64);
                self.evict();
            }
            Record::Vote(vote) => self.bounds.vote = Some(vote),
            Record::Committed(id) => self.bounds.committed = Some(id),
            Record::Truncated(from) => self.forget_from(from),
            Record::Purged(upto) => self.forget_upto(upto),
            // The last entry's index tells; its term is not known, if it is among those that are not there.
            Record::Bounds(bounds) => {
                let next = bounds.last.map_or(0, |id| id.index + 1);
                if (Bounds { last: None, ..bounds }, next)
                    != (Bounds { last: None, ..self.bounds }, self.next)
                {
                    return Err("the bounds of a segment are not those of what is before it");
                }
            }
        }
        Ok(())
    }

    /// Everything was read. Returns whether nothing is missing before what was read: what is not there is purged.
    pub(super) fn opened(&mut self, segments: Vec<Arc<Segment>>) -> bool {
        self.unplaced = self.next;
        self.bounds.last = self.last();
        self.bounds_taken = self.bounds;
        self.segments = segments;
        self.begin.min(self.next) <= self.bounds.purged.map_or(0, |id| id.index + 1)
    }

    // -- reading

    /// The entries of `from..to` that are there: each whole, or where it is.
    pub(super) fn read(&self, from: u64, to: u64) -> Vec<Result<RaftEntry, Place>> {
        let (first, count) = (self.first(), self.entries.len() as u64);
        let from = from.saturating_sub(first).min(count) as usize;
        let to = to.saturating_sub(first).min(count) as usize;
        self.entries.range(from..to.max(from)).map(|kept| self.entry(kept)).collect()
    }

    fn entry(&self, kept: &Kept) -> Result<RaftEntry, Place> {
        let Kept { id, payload, at, bytes } = kept;
        if let Some(payload) = payload {
            return Ok(RaftEntry { log_id: *id, payload: payload.clone() });
        }
        let after = self.segments.partition_point(|segment| segment.start <= *at);
        let segment = after.checked_sub(1).and_then(|before| self.segments.get(before)).cloned();
        Err(Place { id: *id, segment, at: *at, bytes: *bytes })
    }
}
