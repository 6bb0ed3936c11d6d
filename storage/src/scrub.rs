//! Reads everything and compares it with the digests that were kept.

use crate::digest::{Digests, Tally};
use crate::fault::Fault;
use crate::store::Store;

/// What a scrub found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubReport {
    /// How many replicated records there are.
    pub records: u64,
    /// Their keys and values, in bytes.
    pub bytes: u64,
    /// The digests kept by the commits.
    pub kept: Digests,
    /// The digests of what is really there.
    pub found: Digests,
}

impl ScrubReport {
    /// Whether every table is what its digest says.
    pub fn is_clean(&self) -> bool {
        self.kept == self.found
    }

    /// The prefixes of the tables that are not.
    pub fn damaged_tables(&self) -> Vec<u8> {
        self.kept.differing(&self.found)
    }
}

impl Store {
    /// Walks every replicated record as of now, while commits go on, and recomputes the digests. Damage is reported, not
    /// a fault: what to do about it is decided with the other nodes. It blocks on the disk for as long as that takes.
    pub fn scrub(&self) -> Result<ScrubReport, Fault> {
        let export = self.export()?;
        let (mut walk, mut tally) = (export.walk(None), Tally::new(Digests::default()));
        let (mut records, mut bytes) = (0, 0);
        while let Some(chunk) = walk.next_chunk()? {
            for (key, value) in chunk {
                tally.add(&key, &value);
                records += 1;
                bytes += (key.len() + value.len()) as u64;
            }
        }
        Ok(ScrubReport { records, bytes, kept: export.digests().clone(), found: tally.finish() })
    }
}
