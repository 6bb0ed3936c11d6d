//! A walk over the engine as changes that are not in it yet would leave it.

use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::Bound;

use crate::engine::{Direction, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::txn::{Slot, Written};

/// Merges changes, in walking order, with what is stored; the change wins, and one to `None` hides the record.
pub(crate) struct Merge<'a, C: Iterator<Item = (Raw, Option<Raw>)>> {
    stored: Peekable<Scan<'a>>,
    changes: Peekable<C>,
    direction: Direction,
}

impl<'a, C: Iterator<Item = (Raw, Option<Raw>)>> Merge<'a, C> {
    pub(crate) fn new(changes: C, direction: Direction, stored: Scan<'a>) -> Merge<'a, C> {
        Merge { stored: stored.peekable(), changes: changes.peekable(), direction }
    }
}

impl<C: Iterator<Item = (Raw, Option<Raw>)>> Iterator for Merge<'_, C> {
    type Item = Result<(Raw, Raw), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let change_first = match (self.changes.peek(), self.stored.peek()) {
                (None, _) => false,
                (Some(_), None) => true,
                // A fault comes out at once.
                (Some(_), Some(Err(_))) => false,
                (Some((key, _)), Some(Ok((stored, _)))) => {
                    if key == stored {
                        self.stored.next();
                        true
                    } else {
                        match self.direction {
                            Direction::Forward => key < stored,
                            Direction::Reverse => key > stored,
                        }
                    }
                }
            };
            if !change_first {
                return self.stored.next();
            }
            if let Some((key, Some(value))) = self.changes.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}

/// The written keys of a range, in either direction.
pub(crate) struct Ranged<'a> {
    slots: Option<btree_map::Range<'a, Raw, Slot>>,
    direction: Direction,
}

impl<'a> Ranged<'a> {
    pub(crate) fn new(written: &'a Written, range: &KeyRange, direction: Direction) -> Ranged<'a> {
        let slots = (!range.is_empty()).then(|| {
            let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            written.range::<[u8], _>((Bound::Included(range.start.as_slice()), end))
        });
        Ranged { slots, direction }
    }
}

impl Iterator for Ranged<'_> {
    type Item = (Raw, Option<Raw>);

    fn next(&mut self) -> Option<Self::Item> {
        let slots = self.slots.as_mut()?;
        let (key, slot) = match self.direction {
            Direction::Forward => slots.next(),
            Direction::Reverse => slots.next_back(),
        }?;
        Some((key.clone(), slot.new.clone()))
    }
}
