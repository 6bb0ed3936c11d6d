//! The engine without files, for tests and simulation. It can forget what was not flushed, as a crash does.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;

/// How many records a walk copies under the lock at a time.
const CHUNK: usize = 64;

/// What one batch replaced.
type Undo = Vec<(Raw, Option<Raw>)>;

/// A map in memory.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    records: RwLock<BTreeMap<Raw, Raw>>,
    /// The batches since the last flush, oldest first; `None` if crashes are not simulated.
    unflushed: Option<Mutex<Vec<Undo>>>,
}

impl MemoryEngine {
    /// An empty map that cannot crash.
    pub fn new() -> MemoryEngine {
        MemoryEngine::default()
    }

    /// An empty map that remembers what is not flushed, for [`crash`](MemoryEngine::crash). What it remembers grows
    /// until the next flush.
    pub fn with_crashes() -> MemoryEngine {
        MemoryEngine { unflushed: Some(Mutex::default()), ..MemoryEngine::default() }
    }

    /// Does what a crash does to files: of the batches since the last flush only the first `survivors` remain.
    /// Returns how many there were.
    pub fn crash(&self, survivors: usize) -> usize {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let Some(mut unflushed) = self.unflushed() else { return 0 };
        let before = unflushed.len();
        while unflushed.len() > survivors {
            for (key, old) in unflushed.pop().into_iter().flatten() {
                match old {
                    Some(value) => records.insert(key, value),
                    None => records.remove(&key),
                };
            }
        }
        unflushed.clear();
        before
    }

    fn unflushed(&self) -> Option<MutexGuard<'_, Vec<Undo>>> {
        self.unflushed.as_ref().map(|undo| undo.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn chunk(&self, range: &KeyRange, direction: Direction) -> Vec<(Raw, Raw)> {
        if range.is_empty() {
            return Vec::new();
        }
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let found = records.range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
        let shared = |(key, value): (&Raw, &Raw)| (key.clone(), value.clone());
        match direction {
            Direction::Forward => found.take(CHUNK).map(shared).collect(),
            Direction::Reverse => found.rev().take(CHUNK).map(shared).collect(),
        }
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        Ok(self.records.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        Box::new(Walk { engine: self, range, direction, chunk: Vec::new().into_iter(), ended: false })
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let mut undo = Undo::with_capacity(batch.len());
        for (key, new) in batch.into_writes() {
            let old = match new {
                Some(value) => records.insert(key.clone(), value),
                None => records.remove(&key),
            };
            undo.push((key, old));
        }
        if let Some(mut unflushed) = self.unflushed() {
            unflushed.push(undo);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        // Under the records' lock, so that a batch is either wholly before the flush or wholly after it.
        let _records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut unflushed) = self.unflushed() {
            unflushed.clear();
        }
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        Ok(records.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn retire(&self) {}
}

/// A walk in chunks, so that it holds no lock between two steps.
struct Walk<'a> {
    engine: &'a MemoryEngine,
    range: KeyRange,
    direction: Direction,
    chunk: std::vec::IntoIter<(Raw, Raw)>,
    ended: bool,
}

impl Iterator for Walk<'_> {
    type Item = Result<(Raw, Raw), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0 && !self.ended {
            let chunk = self.engine.chunk(&self.range, self.direction);
            self.ended = chunk.len() < CHUNK;
            if let Some((last, _)) = chunk.last() {
                match self.direction {
                    Direction::Forward => self.range.start = [last, &[0][..]].concat(),
                    Direction::Reverse => self.range.end = Some(last.to_vec()),
                }
            }
            self.chunk = chunk.into_iter();
        }
        self.chunk.next().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Batch, Engine};

    use super::MemoryEngine;

    fn put(engine: &MemoryEngine, key: &[u8], value: &[u8]) {
        let mut batch = Batch::default();
        batch.put(key.into(), value.into());
        engine.commit(batch).unwrap();
    }

    #[test]
    fn a_crash_keeps_what_was_flushed_and_a_prefix_of_the_rest() {
        let engine = MemoryEngine::with_crashes();
        put(&engine, b"a", b"1");
        engine.flush().unwrap();
        put(&engine, b"a", b"2");
        put(&engine, b"b", b"1");
        put(&engine, b"a", b"3");
        assert_eq!(engine.crash(2), 3);
        assert_eq!(engine.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(engine.get(b"b").unwrap().as_deref(), Some(&b"1"[..]));
        put(&engine, b"b", b"2");
        engine.crash(0);
        assert_eq!(engine.get(b"b").unwrap().as_deref(), Some(&b"1"[..]));
    }
}
