//! What an engine must do: an ordered map of bytes with atomic batches. It knows no tables, digests or transactions.

use std::sync::Arc;

use crate::fault::Fault;

/// Stored bytes, shared rather than copied.
pub type Raw = Arc<[u8]>;

/// A lazy walk over records in key order. The bound `Send` lets an export run on any thread.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<(Raw, Raw), Fault>> + Send + 'a>;

/// The keys from `start` (included) to `end` (excluded; `None`: no end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The key before which it ends.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key there is.
    pub fn everything() -> KeyRange {
        KeyRange { start: Vec::new(), end: None }
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The order in which a walk returns keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Forward,
    /// Largest first.
    Reverse,
}

impl Direction {
    /// The other one.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::Forward => Direction::Reverse,
            Direction::Reverse => Direction::Forward,
        }
    }
}

/// Changes that become visible and durable together. A key occurs at most once.
#[derive(Debug, Default)]
pub struct Batch {
    writes: Vec<(Raw, Option<Raw>)>,
}

impl Batch {
    /// One change: a value to set, or `None` to remove the record.
    pub fn of(key: Raw, value: Option<Raw>) -> Batch {
        Batch { writes: vec![(key, value)] }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: Raw, value: Raw) {
        self.writes.push((key, Some(value)));
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: Raw) {
        self.writes.push((key, None));
    }

    /// How many keys it changes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The same, to look at.
    pub(crate) fn writes(&self) -> &[(Raw, Option<Raw>)] {
        &self.writes
    }

    /// The changes: a value to set, or `None` to remove.
    pub fn into_writes(self) -> impl Iterator<Item = (Raw, Option<Raw>)> {
        self.writes.into_iter()
    }
}

/// An ordered map of bytes. Readers may be many; exactly one thread writes.
pub trait Engine: Send + Sync + 'static {
    /// The value of one key.
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault>;

    /// Whether a key that begins with `prefix` may end with `tail`: `false` only if none does. Who does not know says `true`.
    fn may_hold(&self, prefix: u8, tail: &[u8]) -> Result<bool, Fault> {
        let _ = (prefix, tail);
        Ok(true)
    }

    /// Walks a range. A walk that meets commits is not one moment of the map: each record it returns was there at some
    /// moment of the walk, keys come in strict order, and a key that nobody changes during the walk is returned.
    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a>;

    /// Waits while too much that was committed is still to be written. Called before [`commit`](Engine::commit), and
    /// without locks.
    fn make_room(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Sets one record, or removes it. Atomic by itself, and not together with what is written before or after it.
    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        self.commit(Batch::of(key.clone(), value.cloned()))
    }

    /// The same for many, in ascending order of their keys.
    fn write_sorted(&self, changes: &[(&Raw, Option<&Raw>)]) -> Result<(), Fault> {
        changes.iter().try_for_each(|(key, value)| self.write(key, *value))
    }

    /// Applies a batch: after a crash all of it is there or none, and batches are lost only from the end.
    fn commit(&self, batch: Batch) -> Result<(), Fault>;

    /// Brings in a piece of a copy that nobody uses yet: as [`commit`](Engine::commit), but for atomicity, and before
    /// anything was committed. What is beneath keeps of it what it caches, and nothing else does.
    fn load(&self, piece: Batch) -> Result<(), Fault> {
        self.commit(piece)
    }

    /// Returns when everything committed or loaded before is durable.
    fn flush(&self) -> Result<(), Fault>;

    /// Brings everything that was committed into the engine's own files. Nothing may be committed after it.
    fn close(&self) -> Result<(), Fault> {
        self.flush()
    }

    /// What it occupies, in bytes: on disk if it has files, else in memory (approximately).
    fn size_bytes(&self) -> Result<u64, Fault>;

    /// Whether it keeps its records in files.
    fn is_durable(&self) -> bool;

    /// Says that this engine is obsolete: when the last handle to it is dropped, its files go too.
    fn retire(&self);
}
