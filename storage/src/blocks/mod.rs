//! Many records in one value of the engine beneath: sled's leaves have 16 values at most, however small, and each costs a
//! walk down its pages. (A leaf of a B-tree of our own, as in Comer 1979, with keys as in the tables of LevelDB.)
//!
//! A block has the records from its *separator*, which is its key beneath, up to the next block's; the last one has
//! everything behind. A separator stays when the record goes that it was made from.
//!
//! **Readers beside the writer.** A block that grows too large is divided: the pieces on the right are written first, the
//! largest first, and what is left on the left is the last. So records move to the right only, and are there twice for a while:
//! those of a block that are not below the next separator are not looked at. Who reads from left to right misses nothing.
//! Who comes from the right may have passed the place of a new piece before it was there, and then find the left one
//! divided: it looks whether anything is between the two, and goes back. What is read may be older than what is being
//! written, of the same changes: whoever is above (`write_behind`) has those in memory until all of them have arrived.
//!
//! **Crashes.** A change is atomic only for its block, and what a crash leaves in between is repaired by writing the same changes
//! again, which the redo file sees to. For records beside them it must not leave a divided block without its pieces, and
//! does not: of what was not flushed the engine beneath loses an end, never a middle. It may leave pieces and the whole block:
//! then records are there twice until the block is changed or the next one is removed.
//!
//! Blocks that shrink are not put together again, only an empty one goes: the rebuild of a generation makes full ones.

mod format;
mod walk;

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;

use format::{Entry, Reader, encode};
use walk::Walk;

/// The most bytes in a block of more than one record, about. Larger ones cost more for each change of a record, smaller ones
/// for each that follows another.
const MOST_BYTES: usize = 1_536;
/// What the pieces of a divided block are filled to, so that the next changes have room.
const DIVIDED_BYTES: usize = MOST_BYTES / 4 * 3;
/// So many blocks without a change are passed on the way to the next one that has some, before it is looked for.
const FEW_BLOCKS: usize = 4;

/// A change: a value to set, or `None` to remove the record.
type Change<'a> = (&'a Raw, Option<&'a Raw>);

/// Records in blocks of another engine: see `storage/DESIGN.md`. A node has them beneath write-behind only.
pub struct Blocks<E> {
    beneath: E,
}

/// A block as it was found.
struct Block {
    separator: Raw,
    bytes: Raw,
}

impl<E: Engine> Blocks<E> {
    /// Blocks in this engine.
    pub fn over(beneath: E) -> Blocks<E> {
        Blocks { beneath }
    }

    /// The block to which a key belongs, seen from the right.
    fn block_of(&self, key: &[u8]) -> Result<Option<Block>, Fault> {
        let upto = KeyRange { start: Vec::new(), end: Some(just_behind(key)) };
        let found = self.beneath.scan(upto, Direction::Reverse).next().transpose()?;
        Ok(found.map(|(separator, bytes)| Block { separator, bytes }))
    }

    /// The blocks behind a key, from left to right.
    fn blocks_behind(&self, key: &[u8]) -> Scan<'_> {
        self.beneath.scan(KeyRange { start: just_behind(key), end: None }, Direction::Forward)
    }

    /// Whether there is a block behind the one and not behind the other key.
    fn is_block_between(&self, behind: &[u8], upto: &[u8]) -> Result<bool, Fault> {
        let between = KeyRange { start: just_behind(behind), end: Some(just_behind(upto)) };
        Ok(self.beneath.scan(between, Direction::Forward).next().transpose()?.is_some())
    }

    /// Brings changes into the block that was found, or a new one, and divides it if it grows too large. `next` is the
    /// separator of the block behind.
    fn rewrite(
        &self,
        found: Option<&Block>,
        next: Option<&[u8]>,
        changes: &[Change<'_>],
    ) -> Result<(), Fault> {
        let mut keys = Vec::new();
        let old = match found {
            Some(block) => records(&block.bytes, next, &mut keys)?,
            None => Vec::new(),
        };
        let old = || old.iter().map(|(key, value)| (&keys[key.clone()], *value));
        let is_appended =
            old().next_back().is_none_or(|(last, _)| changes.first().is_some_and(|(key, _)| last < &***key));
        let entries = merged(old(), changes);
        let Some((first, _)) = changes.first() else { return Ok(()) };
        let separator = found.map_or(*first, |block| &block.separator);
        let pieces = divided(&entries, is_appended);
        for (number, piece) in pieces.iter().enumerate().rev() {
            let separator = match piece.first() {
                Some(first) if number > 0 => Raw::from(first.separator()),
                _ => separator.clone(),
            };
            self.beneath.write(&separator, Some(&encode(piece).into()))?;
        }
        if pieces.is_empty() && found.is_some() {
            self.remove(separator)?;
        }
        Ok(())
    }

    /// Removes an empty block. The one on the left gets its place: what a crash has left in that one of a division would
    /// count again, and goes first.
    fn remove(&self, separator: &Raw) -> Result<(), Fault> {
        let before = KeyRange { start: Vec::new(), end: Some(separator.to_vec()) };
        let left = self.beneath.scan(before, Direction::Reverse).next().transpose()?;
        if let Some((left, bytes)) = left {
            let mut keys = Vec::new();
            let all = records(&bytes, None, &mut keys)?;
            let is_below = |(key, _): &&Record<'_>| keys[key.clone()] < **separator;
            let below: Vec<_> = all.iter().take_while(is_below).collect();
            if below.is_empty() {
                self.remove(&left)?;
            } else if below.len() < all.len() {
                let below = below.iter().map(|(key, value)| (&keys[key.clone()], *value));
                self.beneath.write(&left, Some(&encode(&merged(below, &[])).into()))?;
            }
        }
        self.beneath.write(separator, None)
    }
}

impl<E: Engine> Engine for Blocks<E> {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        loop {
            let found = self.block_of(key)?;
            if let Some(value) = found.as_ref().map_or(Ok(None), |block| value_of(key, &block.bytes))? {
                return Ok(Some(value));
            }
            if !self.is_block_between(found.as_ref().map_or(&[], |block| &block.separator), key)? {
                return Ok(None);
            }
        }
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        Box::new(Walk::new(self, range, direction))
    }

    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        self.write_sorted(&[(key, value)])
    }

    fn write_sorted(&self, changes: &[Change<'_>]) -> Result<(), Fault> {
        let mut rest = changes;
        while let Some((first, _)) = rest.first() {
            let mut block = self.block_of(first)?;
            let mut behind = self.blocks_behind(block.as_ref().map_or(*first, |block| &block.separator));
            let mut passed = 0;
            while !rest.is_empty() && passed < FEW_BLOCKS {
                let next = behind.next().transpose()?.map(|(separator, bytes)| Block { separator, bytes });
                let end = next.as_ref().map(|next| &*next.separator);
                let here = end.map_or(rest.len(), |end| rest.partition_point(|(key, _)| &***key < end));
                let (here, behind_it) = rest.split_at(here);
                if here.is_empty() {
                    passed += 1;
                } else {
                    self.rewrite(block.as_ref(), end, here)?;
                    passed = 0;
                }
                (block, rest) = (next, behind_it);
            }
        }
        Ok(())
    }

    /// Atomic for each block, not for all of it.
    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        let mut writes: Vec<_> = batch.into_writes().collect();
        writes.sort_unstable();
        self.write_sorted(&writes.iter().map(|(key, value)| (key, value.as_ref())).collect::<Vec<_>>())
    }

    fn flush(&self) -> Result<(), Fault> {
        self.beneath.flush()
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.beneath.size_bytes()
    }

    fn is_durable(&self) -> bool {
        self.beneath.is_durable()
    }

    fn retire(&self) {
        self.beneath.retire();
    }
}

/// The value of a key in a block.
fn value_of(key: &[u8], block: &[u8]) -> Result<Option<Raw>, Fault> {
    let mut reader = Reader::new(block)?;
    while let Some(value) = reader.next_value()? {
        if reader.key() >= key {
            return Ok((reader.key() == key).then(|| value.into()));
        }
    }
    Ok(None)
}

/// Where a key is among others, and its value.
type Record<'b> = (Range<usize>, &'b [u8]);

/// The records of a block that are below the next one, with their keys in `keys`.
fn records<'b>(block: &'b [u8], next: Option<&[u8]>, keys: &mut Vec<u8>) -> Result<Vec<Record<'b>>, Fault> {
    let (mut reader, mut found) = (Reader::new(block)?, Vec::new());
    while let Some(value) = reader.next_value()? {
        if next.is_some_and(|next| reader.key() >= next) {
            break;
        }
        let start = keys.len();
        keys.extend_from_slice(reader.key());
        found.push((start..keys.len(), value));
    }
    Ok(found)
}

/// Old records with changes brought in, in order.
fn merged<'a>(old: impl Iterator<Item = (&'a [u8], &'a [u8])>, changes: &'a [Change<'a>]) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(old.size_hint().0 + changes.len());
    let mut add = |key: &'a [u8], value: &'a [u8]| {
        let before = entries.last().map_or(&[][..], |entry| entry.key);
        entries.push(Entry::behind(before, key, value));
    };
    let mut old = old.peekable();
    for (key, change) in changes {
        while let Some((key, value)) = old.next_if(|(old, _)| *old < &***key) {
            add(key, value);
        }
        old.next_if(|(old, _)| *old == &***key);
        if let Some(value) = change {
            add(key, value);
        }
    }
    old.for_each(|(key, value)| add(key, value));
    entries
}

/// What becomes one block each. Where records come in order, the blocks that are left behind are full.
fn divided<'e, 'a>(entries: &'e [Entry<'a>], is_appended: bool) -> Vec<&'e [Entry<'a>]> {
    let total: usize = entries.iter().map(Entry::bytes).sum();
    let most = match total <= MOST_BYTES || is_appended {
        true => MOST_BYTES,
        false => total.div_ceil(total.div_ceil(DIVIDED_BYTES)),
    };
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (number, entry) in entries.iter().enumerate() {
        bytes += entry.bytes();
        if bytes > most && number > start {
            pieces.push(&entries[start..number]);
            (start, bytes) = (number, entry.bytes_as_first());
        }
    }
    if start < entries.len() {
        pieces.push(&entries[start..]);
    }
    pieces
}

/// The smallest key behind a key.
fn just_behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
