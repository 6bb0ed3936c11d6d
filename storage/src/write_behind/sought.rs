//! What is looked for and is most often not there, answered without the engine: whether a table may hold a key with a
//! certain end.
//!
//! Of each table that was ever asked about, a Bloom filter has the ends of all keys (B. Bloom, 1970; in blocks of one cache
//! line: F. Putze, P. Sanders, J. Singler, 2007). It begins to count when it is first asked: what is committed from then on
//! is added as it is committed, and the thread that writes walks over the rest while it has nothing better to do; until it
//! has seen all of them, everything may be there. Nothing of it is stored.
//!
//! Removing a key takes nothing out. When half of what was added has been removed, the filter is made anew.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{Direction, Engine, KeyRange, Raw};
use crate::fault::Fault;
use crate::key::successor;

use super::pending::Change;

/// Keys of one step of the walk.
const STEP: usize = 2_048;
/// Keys of one part of a filter. A look-up takes one cache line of each part.
const PART_KEYS: usize = 1 << 20;
/// Eight words are one block; 12 bits for each key: by computation 4 of 1,000 that are not there seem to be in a full part.
const BLOCK_WORDS: usize = 8;
const PART_BLOCKS: usize = PART_KEYS * 12 / (BLOCK_WORDS * 64);
/// Bits of a block that a key sets.
const BITS: u32 = 6;
/// So many keys may be removed before a filter is made anew, however few it has.
const FEW: usize = 1 << 16;

#[derive(Default)]
pub(super) struct Sought {
    tables: RwLock<Vec<Table>>,
}

/// What is known of one table.
struct Table {
    prefix: u8,
    /// The length of the ends that it knows.
    tail: usize,
    filter: Filter,
    /// Keys that were removed since the filter was made.
    removed: usize,
    /// Where the walk goes on; `None` when it has ended.
    walk: Option<Raw>,
}

impl Table {
    fn new(prefix: u8, tail: usize) -> Table {
        Table { prefix, tail, filter: Filter::default(), removed: 0, walk: Some([prefix].as_slice().into()) }
    }

    fn add(&mut self, key: &[u8]) {
        self.filter.add(hash(end_of(key, self.tail)));
    }
}

fn end_of(key: &[u8], tail: usize) -> &[u8] {
    &key[key.len().saturating_sub(tail)..]
}

fn hash(tail: &[u8]) -> u64 {
    xxh3_64(tail)
}

/// Grows by parts, so that nothing is ever moved.
#[derive(Default)]
struct Filter {
    parts: Vec<Vec<[u64; BLOCK_WORDS]>>,
    /// How many were added.
    keys: usize,
}

impl Filter {
    fn add(&mut self, hash: u64) {
        if self.has(hash) {
            return;
        }
        if self.keys.is_multiple_of(PART_KEYS) {
            // The system gives zeros page by page: a small shop has a small filter.
            self.parts.push(vec![[0; BLOCK_WORDS]; PART_BLOCKS]);
        }
        self.keys += 1;
        if let Some(part) = self.parts.last_mut() {
            let block = &mut part[place(hash)];
            bits(hash).for_each(|(word, bit)| block[word] |= bit);
        }
    }

    fn has(&self, hash: u64) -> bool {
        self.parts.iter().any(|part| {
            let block = &part[place(hash)];
            bits(hash).all(|(word, bit)| block[word] & bit != 0)
        })
    }
}

/// The block of a hash: by its upper half.
fn place(hash: u64) -> usize {
    ((hash >> 32) as usize * PART_BLOCKS) >> 32
}

/// The bits of a hash in its block: by its lower bits, nine for each, spread anew because there are too few of them.
fn bits(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..BITS).map(move |number| {
        let bit = (spread >> (10 + number * 9)) & 0x1ff;
        ((bit >> 6) as usize, 1 << (bit & 63))
    })
}

impl Sought {
    /// Whether a key of the table may end with `tail`; `None` if the table is to be [begun](Sought::begin) first.
    pub(super) fn may_hold(&self, prefix: u8, tail: &[u8]) -> Option<bool> {
        let tables = self.read();
        let table = tables.iter().find(|table| table.prefix == prefix && table.tail == tail.len())?;
        Some(table.walk.is_some() || table.filter.has(hash(tail)))
    }

    /// Begins to keep count of a table. Nothing may be committed meanwhile; `pending` is what has been and is not beneath.
    pub(super) fn begin<'a>(&self, prefix: u8, tail: usize, pending: impl Iterator<Item = &'a Raw>) {
        let mut tables = self.write();
        // Somebody else may have been quicker. One length of ends is enough for a table.
        if tables.iter().all(|table| table.prefix != prefix) {
            let mut table = Table::new(prefix, tail);
            pending.for_each(|key| table.add(key));
            tables.push(table);
        }
    }

    /// Takes note of what is being committed.
    pub(super) fn note(&self, changes: &[Change]) {
        if self.read().is_empty() {
            return;
        }
        let mut tables = self.write();
        for (key, value) in changes {
            let Some(table) = tables.iter_mut().find(|table| key.first() == Some(&table.prefix)) else {
                continue;
            };
            match value {
                Some(_) => table.add(key),
                None => table.removed += 1,
            }
        }
    }

    /// Makes the filters anew of which most keys are gone. Nothing may be committed meanwhile.
    pub(super) fn renew<'a, P: Iterator<Item = &'a Raw>>(&self, pending: impl Fn(u8) -> P) {
        let is_stale = |table: &Table| table.removed > FEW.max(table.filter.keys / 2);
        if !self.read().iter().any(is_stale) {
            return;
        }
        for table in self.write().iter_mut().filter(|table| is_stale(table)) {
            *table = Table::new(table.prefix, table.tail);
            pending(table.prefix).for_each(|key| table.add(key));
        }
    }

    /// Walks on a step. Returns whether there is more to walk over. Only by the thread that writes to the engine: what it
    /// has not written yet was added when it was committed.
    pub(super) fn walk_on(&self, engine: &dyn Engine) -> Result<bool, Fault> {
        let next = self.read().iter().find_map(|table| Some((table.prefix, table.walk.clone()?)));
        let Some((prefix, start)) = next else { return Ok(false) };
        let range = KeyRange { start: start.to_vec(), end: successor(vec![prefix]) };
        let keys = engine.scan(range, Direction::Forward).take(STEP).map(|record| record.map(|(key, _)| key));
        let keys = keys.collect::<Result<Vec<Raw>, Fault>>()?;
        let mut tables = self.write();
        // A table that was made anew meanwhile is walked over from its beginning.
        let same = |table: &&mut Table| table.prefix == prefix && table.walk.as_ref() == Some(&start);
        if let Some(table) = tables.iter_mut().find(same) {
            keys.iter().for_each(|key| table.add(key));
            // The smallest key behind the last one.
            let behind = |last: &Raw| Raw::from([&**last, &[0]].concat());
            table.walk = keys.last().filter(|_| keys.len() == STEP).map(behind);
        }
        Ok(tables.iter().any(|table| table.walk.is_some()))
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Table>> {
        // Bits are set without a panic in between.
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Table>> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{FEW, PART_KEYS, STEP, Sought, hash};
    use crate::engine::{Batch, Engine, Raw};
    use crate::memory::MemoryEngine;

    fn key(number: usize) -> Raw {
        [&[7], &(number as u64 % 10).to_be_bytes()[..], &(number as u64).to_be_bytes()].concat().into()
    }

    fn may_hold(sought: &Sought, number: usize) -> Option<bool> {
        sought.may_hold(7, &(number as u64).to_be_bytes())
    }

    fn engine_of(numbers: std::ops::Range<usize>) -> Arc<MemoryEngine> {
        let engine = MemoryEngine::new();
        let mut batch = Batch::default();
        numbers.for_each(|number| batch.put(key(number), Raw::from([0].as_slice())));
        // Neighbours that are not to be counted.
        batch.put([6, 1].as_slice().into(), [0].as_slice().into());
        batch.put([8].as_slice().into(), [0].as_slice().into());
        engine.commit(batch).unwrap();
        Arc::new(engine)
    }

    fn walked(sought: &Sought, engine: &MemoryEngine) {
        while sought.walk_on(engine).unwrap() {}
    }

    #[test]
    fn everything_may_be_there_until_all_is_walked_over() {
        let engine = engine_of(0..STEP * 2);
        let sought = Sought::default();
        assert_eq!(may_hold(&sought, 1), None);
        let pending = key(STEP * 5);
        sought.begin(7, 8, [&pending].into_iter());
        for _ in 0..2 {
            assert!(sought.walk_on(&*engine).unwrap());
            assert_eq!(may_hold(&sought, STEP * 9), Some(true));
        }
        sought.note(&[(key(STEP * 6), Some(Raw::from([0].as_slice())))]);
        assert!(!sought.walk_on(&*engine).unwrap());
        assert!((0..STEP * 2).all(|number| may_hold(&sought, number) == Some(true)));
        assert!([STEP * 5, STEP * 6].into_iter().all(|number| may_hold(&sought, number) == Some(true)));
        let absent = (STEP * 10..STEP * 20).filter(|number| may_hold(&sought, *number) == Some(false));
        assert!(absent.count() > STEP * 9, "most of what is not there is known not to be");
        assert_eq!(sought.may_hold(7, &[0; 4]), None, "ends of another length are another question");
        assert_eq!(sought.may_hold(8, &[0; 8]), None);
    }

    #[test]
    fn a_filter_that_grew_by_parts_forgets_nothing_and_seldom_errs() {
        let sought = Sought::default();
        sought.begin(7, 8, std::iter::empty());
        walked(&sought, &engine_of(0..0));
        let some = Some(Raw::from([0].as_slice()));
        let keys = PART_KEYS + PART_KEYS / 2;
        for start in (0..keys).step_by(STEP) {
            let changes: Vec<_> = (start..start + STEP).map(|number| (key(number), some.clone())).collect();
            sought.note(&changes);
        }
        assert!((0..keys).all(|number| may_hold(&sought, number) == Some(true)));
        assert_eq!(sought.read()[0].filter.parts.len(), 2);
        let wrong =
            (keys * 2..keys * 2 + 100_000).filter(|number| may_hold(&sought, *number) == Some(true)).count();
        assert!(wrong < 2_500, "{wrong} of 100,000");
        assert_ne!(hash(b"a"), hash(b"b"));
    }

    #[test]
    fn what_was_removed_is_forgotten_in_the_end() {
        let engine = engine_of(0..10);
        let sought = Sought::default();
        sought.begin(7, 8, std::iter::empty());
        walked(&sought, &engine);
        let pending = key(STEP);
        let renew = || sought.renew(|_| [&pending].into_iter());
        let gone: Vec<_> = (0..FEW).map(|number| (key(number + 100), None)).collect();
        sought.note(&gone);
        renew();
        assert_eq!(may_hold(&sought, STEP), Some(false), "few are gone");
        sought.note(&gone[..1]);
        renew();
        assert_eq!(may_hold(&sought, 99), Some(true), "it is made anew");
        walked(&sought, &engine);
        assert_eq!((may_hold(&sought, 99), may_hold(&sought, STEP)), (Some(false), Some(true)));
        assert!((0..10).all(|number| may_hold(&sought, number) == Some(true)));
    }
}
