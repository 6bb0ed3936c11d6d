//! Checks a copy while it arrives: the order of its frames and records, and the digest of all of them.

use crate::digest::{Digests, Tally};
use crate::engine::Raw;
use crate::fault::Fault;
use crate::key::is_replicated;
use crate::snapshot::frame::{Decoder, Frame, damaged};

/// Reads a copy to its end and keeps nothing of it: what a backup is verified with. Its memory is one frame.
pub struct CopyCheck {
    decoder: Decoder,
    tally: Tally,
    records: u64,
    last_key: Option<Raw>,
    note: Option<Vec<u8>>,
    trailer: Option<(u64, Digests)>,
}

/// What a whole copy turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCopy {
    /// How many records it has.
    pub records: u64,
    /// The digests that were promised and found.
    pub digests: Digests,
    /// The note in its header.
    pub note: Vec<u8>,
}

impl CopyCheck {
    /// Before the first byte.
    pub fn new() -> CopyCheck {
        CopyCheck {
            decoder: Decoder::default(),
            tally: Tally::new(Digests::default()),
            records: 0,
            last_key: None,
            note: None,
            trailer: None,
        }
    }

    /// Takes the next piece of the stream, of any size.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        self.push_into(piece, |_| Ok(()))
    }

    /// The same, and hands on the records of whole frames.
    pub(super) fn push_into(
        &mut self,
        piece: &[u8],
        mut sink: impl FnMut(Vec<(Raw, Raw)>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.decoder.push(piece);
        while let Some(frame) = self.decoder.next()? {
            match (frame, self.note.is_some(), self.trailer.is_some()) {
                (Frame::Header { note }, false, _) => self.note = Some(note),
                (Frame::Records(records), true, false) => {
                    self.count(&records)?;
                    sink(records)?;
                }
                (Frame::Trailer { records, digests }, true, false) => self.trailer = Some((records, digests)),
                _ => return Err(damaged("its frames are not in order")),
            }
        }
        Ok(())
    }

    /// How many records have arrived.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The note in the header, once that has arrived.
    pub fn note(&self) -> Option<&[u8]> {
        self.note.as_deref()
    }

    pub(super) fn last_key(&self) -> Option<&[u8]> {
        self.last_key.as_deref()
    }

    pub(super) fn restart_frame(&mut self) {
        self.decoder = Decoder::default();
    }

    /// Checks that all has arrived and is what the sender had.
    pub fn finish(self) -> Result<CheckedCopy, Fault> {
        let Some((records, expected)) = self.trailer else {
            return Err(Fault::Incomplete { records: self.records });
        };
        if !self.decoder.is_empty() {
            return Err(damaged("something follows its trailer"));
        }
        let found = self.tally.finish();
        if records != self.records || found != expected {
            return Err(damaged(format!(
                "{} records with digest {found} arrived, {records} with {expected} were sent",
                self.records
            )));
        }
        Ok(CheckedCopy { records, digests: found, note: self.note.unwrap_or_default() })
    }

    fn count(&mut self, records: &[(Raw, Raw)]) -> Result<(), Fault> {
        for (key, value) in records {
            if !key.first().is_some_and(|prefix| is_replicated(*prefix)) {
                return Err(damaged("a record is of no replicated table"));
            }
            if self.last_key.as_ref().is_some_and(|last| *last >= *key) {
                return Err(damaged("its records are not in order"));
            }
            self.tally.add(key, value);
            self.records += 1;
            self.last_key = Some(key.clone());
        }
        Ok(())
    }
}

impl Default for CopyCheck {
    fn default() -> Self {
        CopyCheck::new()
    }
}
