//! A walk over what is pending and what is beneath, as one map.

use crate::engine::{Direction, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::overlay::Merge;

use super::pending::Change;
use super::writer::Shared;

/// How many pending changes are looked up at a time.
const CHUNK: usize = 256;

type Stretch<'a> = Merge<'a, std::vec::IntoIter<Change>>;

/// Goes stretch by stretch: first the pending changes of the stretch, then the engine beneath, in this order. What moves
/// from the one to the other meanwhile is found twice, never missed, and the pending change wins.
pub(super) struct Walk<'a> {
    shared: &'a Shared,
    /// What is left to walk over behind the present stretch.
    rest: Option<KeyRange>,
    direction: Direction,
    stretch: Option<Stretch<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shared: &'a Shared, range: KeyRange, direction: Direction) -> Walk<'a> {
        Walk { shared, rest: Some(range), direction, stretch: None }
    }

    /// The next stretch: to the last of the pending changes that were looked up, or to the end.
    fn next_stretch(&mut self) -> Option<Stretch<'a>> {
        let mut stretch = self.rest.take()?;
        let changes = self.shared.pending().chunk(&stretch, self.direction, CHUNK);
        if changes.len() == CHUNK
            && let Some((last, _)) = changes.last()
        {
            let mut rest = stretch.clone();
            match self.direction {
                Direction::Forward => {
                    rest.start = [last, &[0][..]].concat();
                    stretch.end = Some(rest.start.clone());
                }
                Direction::Reverse => {
                    rest.end = Some(last.to_vec());
                    stretch.start = last.to_vec();
                }
            }
            self.rest = Some(rest);
        }
        let stored: Scan<'a> = self.shared.engine.scan(stretch, self.direction);
        Some(Merge::new(changes.into_iter(), self.direction, stored))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<(Raw, Raw), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.stretch.as_mut().and_then(Iterator::next) {
                return Some(record);
            }
            self.stretch = Some(self.next_stretch()?);
        }
    }
}
