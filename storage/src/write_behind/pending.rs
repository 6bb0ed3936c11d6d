//! What has been committed and is not in the engine beneath yet.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use crate::engine::{Batch, Direction, KeyRange, Raw};

/// A value to set, or `None` to remove the record.
pub(super) type Change = (Raw, Option<Raw>);

/// Changes by key.
pub(super) type Changes = BTreeMap<Raw, Option<Raw>>;

/// What an entry of the map costs beside its bytes: two fat pointers, two counters each, and its share of a node.
const ENTRY_BYTES: usize = 96;

/// Two generations of changes: one grows, the other is on its way into the engine.
#[derive(Default)]
pub(super) struct Pending {
    young: Changes,
    young_bytes: usize,
    old: Option<Arc<Changes>>,
    /// How often the young generation has become the old one.
    pub(super) rotations: u64,
}

impl Pending {
    /// The change of a key, if it has one: the newest.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Raw>> {
        let old = || self.old.as_ref().and_then(|old| old.get(key));
        self.young.get(key).or_else(old).cloned()
    }

    pub(super) fn add(&mut self, batch: Batch) {
        let size = |value: &Option<Raw>| value.as_ref().map_or(0, |value| value.len());
        for (key, value) in batch.into_writes() {
            let (key_bytes, value_bytes) = (key.len(), size(&value));
            match self.young.insert(key, value) {
                Some(before) => self.young_bytes -= size(&before),
                None => self.young_bytes += key_bytes + ENTRY_BYTES,
            }
            self.young_bytes += value_bytes;
        }
    }

    /// The keys that begin with a byte, of both generations: one that both have comes twice.
    pub(super) fn keys_of(&self, prefix: u8) -> impl Iterator<Item = &Raw> {
        let old = self.old.iter().flat_map(move |old| keys_of(old, prefix));
        keys_of(&self.young, prefix).chain(old)
    }

    /// The memory that the young generation takes, in bytes, roughly.
    pub(super) fn young_bytes(&self) -> usize {
        self.young_bytes
    }

    pub(super) fn has_young(&self) -> bool {
        !self.young.is_empty()
    }

    /// Whether anything was ever committed.
    pub(super) fn is_used(&self) -> bool {
        self.has_young() || self.rotations > 0
    }

    /// Makes the young generation the old one. There must be no old one, and something young.
    pub(super) fn rotate(&mut self) -> Arc<Changes> {
        let old = Arc::new(std::mem::take(&mut self.young));
        self.young_bytes = 0;
        self.rotations += 1;
        self.old = Some(old.clone());
        old
    }

    /// Takes the old generation away: it is in the engine.
    pub(super) fn settle(&mut self) -> Option<Arc<Changes>> {
        self.old.take()
    }

    /// The first changes of a range in walking order, at most `limit`.
    pub(super) fn chunk(&self, range: &KeyRange, direction: Direction, limit: usize) -> Vec<Change> {
        if range.is_empty() {
            return Vec::new();
        }
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let bounds = (Bound::Included(range.start.as_slice()), end);
        let young = self.young.range::<[u8], _>(bounds);
        let old = self.old.iter().flat_map(|old| old.range::<[u8], _>(bounds));
        match direction {
            Direction::Forward => Newest::of(young, old, direction).take(limit).collect(),
            Direction::Reverse => Newest::of(young.rev(), old.rev(), direction).take(limit).collect(),
        }
    }
}

fn keys_of(changes: &Changes, prefix: u8) -> impl Iterator<Item = &Raw> {
    let start = [prefix];
    let from = (Bound::Included(start.as_slice()), Bound::Unbounded);
    let keys = changes.range::<[u8], _>(from).map(|(key, _)| key);
    keys.take_while(move |key| key.first() == Some(&prefix))
}

/// Both generations in walking order; of a key that both have, the young one's change.
struct Newest<Y: Iterator, O: Iterator> {
    young: Peekable<Y>,
    old: Peekable<O>,
    direction: Direction,
}

type Entry<'a> = (&'a Raw, &'a Option<Raw>);

impl<'a, Y: Iterator<Item = Entry<'a>>, O: Iterator<Item = Entry<'a>>> Newest<Y, O> {
    fn of(young: Y, old: O, direction: Direction) -> Newest<Y, O> {
        Newest { young: young.peekable(), old: old.peekable(), direction }
    }
}

impl<'a, Y: Iterator<Item = Entry<'a>>, O: Iterator<Item = Entry<'a>>> Iterator for Newest<Y, O> {
    type Item = Change;

    fn next(&mut self) -> Option<Self::Item> {
        let young_first = match (self.young.peek(), self.old.peek()) {
            (young, None) => young.is_some(),
            (None, Some(_)) => false,
            (Some((young, _)), Some((old, _))) => {
                if young == old {
                    self.old.next();
                    true
                } else {
                    (young < old) == (self.direction == Direction::Forward)
                }
            }
        };
        let (key, change) = if young_first { self.young.next() } else { self.old.next() }?;
        Some((key.clone(), change.clone()))
    }
}
