//! A walk over the records of blocks.

use crate::engine::{Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;

use super::format::Reader;
use super::{Block, Blocks, just_behind};

/// Records in walking order: what is left of one block, then the next one.
pub(super) struct Walk<'a, E> {
    engine: &'a Blocks<E>,
    /// What is left to walk over behind the present block.
    range: KeyRange,
    direction: Direction,
    blocks: Option<std::iter::Peekable<Scan<'a>>>,
    records: std::vec::IntoIter<(Raw, Raw)>,
    has_ended: bool,
}

impl<'a, E: Engine> Walk<'a, E> {
    pub(super) fn new(engine: &'a Blocks<E>, range: KeyRange, direction: Direction) -> Walk<'a, E> {
        let has_ended = range.is_empty();
        Walk { engine, range, direction, blocks: None, records: Vec::new().into_iter(), has_ended }
    }

    /// The next block's records, in walking order; `None` at the end.
    fn next_records(&mut self) -> Result<Option<Vec<(Raw, Raw)>>, Fault> {
        match self.direction {
            Direction::Forward => self.next_forward(),
            Direction::Reverse => self.next_reverse(),
        }
    }

    fn next_forward(&mut self) -> Result<Option<Vec<(Raw, Raw)>>, Fault> {
        let blocks = match &mut self.blocks {
            Some(blocks) => blocks,
            None => {
                let blocks = self.engine.beneath.scan(self.blocks_of_range()?, Direction::Forward);
                self.blocks.insert(blocks.peekable())
            }
        };
        let Some((_, bytes)) = blocks.next().transpose()? else { return Ok(None) };
        // Those behind it are the next one's, even if a piece of this block is already there.
        let end = match blocks.peek() {
            Some(Ok((next, _))) => Some(next.to_vec()),
            Some(Err(_)) | None => self.range.end.clone(),
        };
        Ok(Some(records_in(&bytes, &self.range.start, end.as_deref())?))
    }

    fn next_reverse(&mut self) -> Result<Option<Vec<(Raw, Raw)>>, Fault> {
        loop {
            if self.range.is_empty() {
                return Ok(None);
            }
            let blocks = match &mut self.blocks {
                Some(blocks) => blocks,
                None => {
                    let blocks = self.engine.beneath.scan(self.blocks_of_range()?, Direction::Reverse);
                    self.blocks.insert(blocks.peekable())
                }
            };
            let Some((separator, bytes)) = blocks.next().transpose()? else {
                // The first one of the range may have been divided and removed meanwhile.
                let left = self.blocks_of_range()?;
                if self.engine.beneath.scan(left, Direction::Forward).next().transpose()?.is_none() {
                    return Ok(None);
                }
                self.blocks = None;
                continue;
            };
            if self.was_passed(&separator)? {
                self.blocks = None;
                continue;
            }
            let mut records = records_in(&bytes, &self.range.start, self.range.end.as_deref())?;
            records.reverse();
            self.range.end = Some(separator.to_vec());
            return Ok(Some(records));
        }
    }

    /// Whether a piece of this block has come to be between it and what was walked over already.
    fn was_passed(&self, separator: &[u8]) -> Result<bool, Fault> {
        let between = KeyRange { start: just_behind(separator), end: self.range.end.clone() };
        Ok(self.engine.beneath.scan(between, Direction::Forward).next().transpose()?.is_some())
    }

    /// The range of separators whose blocks may have records of the range: from the first one on, if it begins before that.
    fn blocks_of_range(&self) -> Result<KeyRange, Fault> {
        let first = self.engine.block_of(&self.range.start)?;
        let start = first.map_or_else(Vec::new, |Block { separator, .. }| separator.to_vec());
        Ok(KeyRange { start, end: self.range.end.clone() })
    }
}

impl<E: Engine> Iterator for Walk<'_, E> {
    type Item = Result<(Raw, Raw), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.records.next() {
                return Some(Ok(record));
            }
            if self.has_ended {
                return None;
            }
            match self.next_records() {
                Ok(Some(records)) => self.records = records.into_iter(),
                Ok(None) => self.has_ended = true,
                Err(fault) => {
                    self.has_ended = true;
                    return Some(Err(fault));
                }
            }
        }
    }
}

/// The records of a block from one key up to another.
fn records_in(block: &[u8], start: &[u8], end: Option<&[u8]>) -> Result<Vec<(Raw, Raw)>, Fault> {
    let (mut reader, mut records) = (Reader::new(block)?, Vec::new());
    while let Some(value) = reader.next_value()? {
        if end.is_some_and(|end| reader.key() >= end) {
            break;
        }
        if reader.key() >= start {
            records.push((reader.key().into(), value.into()));
        }
    }
    Ok(records)
}
