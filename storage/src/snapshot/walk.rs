//! One reader's walk over the moment of an export.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use crate::engine::{Direction, KeyRange, Raw};
use crate::fault::Fault;
use crate::key::{FIRST_REPLICATED_PREFIX, LAST_REPLICATED_PREFIX};
use crate::snapshot::export::Shared;
use crate::snapshot::run::{PreImage, RunCursor};

/// Records of the export in key order, a chunk at a time.
pub(crate) struct Walk {
    export: Arc<Shared>,
    /// Where it goes on (included); `None` at the end.
    from: Option<Vec<u8>>,
    runs: Vec<RunCursor>,
    /// The heads of the runs, smallest key first and the oldest run first among equal ones.
    heads: BinaryHeap<Reverse<(Raw, usize)>>,
}

/// A stretch as the engine had it, somewhere between the moment of the export and now.
pub(super) struct Stretch {
    stored: Vec<(Raw, Raw)>,
    /// Its last key; `None` if it goes to the end.
    to: Option<Vec<u8>>,
}

impl Walk {
    pub(crate) fn new(export: Arc<Shared>, after: Option<&[u8]>) -> Walk {
        let from = match after {
            Some(key) => just_after(key),
            None => vec![FIRST_REPLICATED_PREFIX],
        };
        Walk { export, from: Some(from), runs: Vec::new(), heads: BinaryHeap::new() }
    }

    /// The next records; `None` at the end, and possibly none in between.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Vec<(Raw, Raw)>>, Fault> {
        match self.read_stretch()? {
            Some(stretch) => self.merge(stretch).map(Some),
            None => Ok(None),
        }
    }

    /// The first half of a step. The pre-images must be looked at after this, never before: that order is what makes
    /// the export consistent.
    pub(super) fn read_stretch(&self) -> Result<Option<Stretch>, Fault> {
        let Some(from) = &self.from else { return Ok(None) };
        let range = KeyRange { start: from.clone(), end: Some(vec![LAST_REPLICATED_PREFIX + 1]) };
        let (mut stored, mut bytes, mut to) = (Vec::new(), 0, None);
        for record in self.export.engine.scan(range, Direction::Forward) {
            let (key, value) = record?;
            bytes += key.len() + value.len();
            stored.push((key.clone(), value));
            if stored.len() >= self.export.limits.chunk_keys || bytes >= self.export.limits.chunk_bytes {
                to = Some(key.to_vec());
                break;
            }
        }
        Ok(Some(Stretch { stored, to }))
    }

    /// The second half: the stretch as it was at the moment of the export.
    pub(super) fn merge(&mut self, stretch: Stretch) -> Result<Vec<(Raw, Raw)>, Fault> {
        let Some(from) = self.from.take() else { return Ok(Vec::new()) };
        let limit = self.export.limits.chunk_keys;
        let (new_runs, newest) =
            self.export.pre_images().range(self.runs.len(), &from, stretch.to.as_deref(), limit)?;
        for run in new_runs {
            self.runs.push(RunCursor::seek(run, &from)?);
            self.push_head(self.runs.len() - 1);
        }
        // With more pre-images than that, the stretch ends at the last one taken.
        let to = if newest.len() < limit { stretch.to } else { newest.last().map(|(key, _)| key.to_vec()) };
        let mut sources =
            Sources { stored: stretch.stored.into_iter().peekable(), newest: newest.into_iter().peekable() };
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some(key) = self.next_key(&mut sources, to.as_deref()) {
            if let Some(value) = self.take(&mut sources, &key)? {
                bytes += key.len() + value.len();
                records.push((key.clone(), value));
            }
            if bytes >= self.export.limits.chunk_bytes {
                // What was read beyond this key is read again: it may change meanwhile, its pre-image is kept.
                self.from = Some(just_after(&key));
                return Ok(records);
            }
        }
        self.from = to.map(|to| just_after(&to));
        Ok(records)
    }

    /// The smallest key of all sources, unless it lies behind the stretch.
    fn next_key(&self, sources: &mut Sources, to: Option<&[u8]>) -> Option<Raw> {
        let stored = sources.stored.peek().map(|(key, _)| key);
        let newest = sources.newest.peek().map(|(key, _)| key);
        let spilled = self.heads.peek().map(|Reverse((key, _))| key);
        let smallest = [stored, newest, spilled].into_iter().flatten().min()?;
        to.is_none_or(|to| **smallest <= *to).then(|| smallest.clone())
    }

    /// Takes `key` from all sources; the value at the moment of the export, if it had one.
    fn take(&mut self, sources: &mut Sources, key: &Raw) -> Result<Option<Raw>, Fault> {
        let mut spilled: Option<PreImage> = None;
        while let Some(Reverse((head, run))) = self.heads.peek()
            && head == key
        {
            let run = *run;
            self.heads.pop();
            let taken = self.runs[run].advance()?;
            self.push_head(run);
            spilled = spilled.or(taken);
        }
        let newest = sources.newest.next_if(|(at, _)| at == key);
        let stored = sources.stored.next_if(|(at, _)| at == key);
        Ok(match spilled.or(newest) {
            Some((_, pre_image)) => pre_image,
            None => stored.map(|(_, value)| value),
        })
    }

    fn push_head(&mut self, run: usize) {
        if let Some(key) = self.runs[run].head() {
            self.heads.push(Reverse((key.clone(), run)));
        }
    }
}

/// What a merge reads beside the spilled runs.
struct Sources {
    stored: Peekable<IntoIter<(Raw, Raw)>>,
    newest: Peekable<IntoIter<PreImage>>,
}

fn just_after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
