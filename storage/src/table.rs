//! What a table is, and which stretch of it a scan covers.

use std::marker::PhantomData;

use crate::codec::Value;
use crate::engine::{Direction, KeyRange};
use crate::fault::Fault;
use crate::key::{Key, MAX_KEY_BYTES, Scope, successor};

/// A table: one prefix, one type of key, one type of value.
///
/// The prefix decides whether its records are local or replicated: see [`key`](crate::key). It is listed once, and never
/// reused after the table is retired.
pub trait Table: 'static {
    /// The first byte of every key, `0x01..=0xef`.
    const PREFIX: u8;
    /// For faults and metrics: a plural noun in lower case.
    const NAME: &'static str;
    /// The last so many bytes of its keys are what is looked for, and most of them are not there.
    const SOUGHT_TAIL: usize = 0;
    /// The key within one scope.
    type Key: Key;
    /// The record.
    type Value: Value;
}

/// A stretch of one table in one scope, and the direction in which it is read.
pub struct Span<T: Table> {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    resume_after: Option<Vec<u8>>,
    direction: Direction,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> Span<T> {
    /// The whole table.
    pub fn all() -> Span<T> {
        Span {
            start: Vec::new(),
            end: None,
            resume_after: None,
            direction: Direction::Forward,
            table: PhantomData,
        }
    }

    /// All keys that begin with these leading components.
    pub fn prefix(components: &impl Key) -> Span<T> {
        let start = encoded(components);
        let end = successor(start.clone());
        Span { start, end, ..Span::all() }
    }

    /// From this key on, including it.
    pub fn from(key: &T::Key) -> Span<T> {
        Span { start: encoded(key), ..Span::all() }
    }

    /// Behind this key, excluding it.
    pub fn after(key: &T::Key) -> Span<T> {
        Span { start: just_after(encoded(key)), ..Span::all() }
    }

    /// Up to this key, excluding it.
    pub fn until(mut self, key: &T::Key) -> Span<T> {
        self.end = Some(encoded(key));
        self
    }

    /// Goes on where a page ended: behind `key` in the direction of the scan, within the rest of the span.
    pub fn resume_after(mut self, key: &T::Key) -> Span<T> {
        self.resume_after = Some(encoded(key));
        self
    }

    /// From the last key to the first.
    pub fn reversed(mut self) -> Span<T> {
        self.direction = self.direction.reversed();
        self
    }

    /// The bytes it covers in `scope`. Keys beyond the bound on keys can't be stored, so that a longer limit is a fault.
    pub(crate) fn resolve(self, scope: Scope) -> Result<(KeyRange, Direction), Fault> {
        const { assert!(T::PREFIX > 0 && T::PREFIX < 0xf0, "this prefix belongs to no table") };
        let mut head = vec![T::PREFIX];
        head.extend_from_slice(&scope.0.to_be_bytes());
        let (mut start, mut end) = (self.start, self.end);
        match (self.resume_after, self.direction) {
            (Some(key), Direction::Forward) => start = start.max(just_after(key)),
            (Some(key), Direction::Reverse) => end = Some(end.map_or(key.clone(), |end| end.min(key))),
            (None, _) => {}
        }
        let longest = start.len().max(end.as_ref().map_or(0, Vec::len));
        if longest > MAX_KEY_BYTES {
            return Err(Fault::TooLarge { what: "a key", found: longest, limit: MAX_KEY_BYTES });
        }
        let end = match end {
            Some(end) => Some([head.as_slice(), end.as_slice()].concat()),
            None => successor(head.clone()),
        };
        head.extend_from_slice(&start);
        Ok((KeyRange { start: head, end }, self.direction))
    }
}

fn encoded(key: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.encode(&mut bytes);
    bytes
}

/// The smallest bytes that sort after exactly these.
fn just_after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
