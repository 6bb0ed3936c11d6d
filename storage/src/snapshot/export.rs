//! An open export: one moment of the replicated tables, to be read as often as needed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::digest::{Digests, Tally};
use crate::engine::{Engine, Raw};
use crate::fault::Fault;
use crate::snapshot::frame::{self, MAX_NOTE_BYTES};
use crate::snapshot::pre_images::{Changed, PreImages};
use crate::snapshot::run::RunCursor;
use crate::snapshot::walk::Walk;

/// What one export may cost.
#[derive(Debug, Clone)]
pub struct ExportLimits {
    /// Pre-images in memory, in bytes, before they are written to a file.
    pub memory_bytes: usize,
    /// Pre-images in files, in bytes, before the export is given up.
    pub spill_bytes: u64,
    /// Files of pre-images before the export is given up; each reader buffers 16 KiB of each.
    pub spill_files: usize,
    /// Where those files are.
    pub spill_dir: PathBuf,
    /// How many records a reader takes from the engine at a time.
    pub chunk_keys: usize,
    /// After how many bytes of records a chunk, and a frame, ends; at most 512 KiB.
    pub chunk_bytes: usize,
}

impl ExportLimits {
    /// 16 MiB in memory, 4 GiB in at most 256 files under `spill_dir`.
    pub fn spilling_to(spill_dir: PathBuf) -> ExportLimits {
        ExportLimits {
            memory_bytes: 16 << 20,
            spill_bytes: 4 << 30,
            spill_files: 256,
            spill_dir,
            chunk_keys: 512,
            chunk_bytes: 256 << 10,
        }
    }
}

/// A moment of the replicated tables that stays as it is while commits go on. Clones share it. Until the last clone and
/// the last reader are dropped, every commit pays for the pre-images of what it changes.
#[derive(Clone)]
pub struct Export {
    shared: Arc<Shared>,
}

/// What readers and commits share of an export.
pub(crate) struct Shared {
    id: u64,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) limits: ExportLimits,
    digests: Digests,
    pre_images: Mutex<PreImages>,
}

impl Shared {
    /// Called by the writer before its batch reaches the engine.
    pub(crate) fn publish<'a>(&self, changed: impl Iterator<Item = Changed<'a>>) {
        self.pre_images().publish(changed);
    }

    pub(super) fn pre_images(&self) -> MutexGuard<'_, PreImages> {
        // A panic between two insertions leaves the map whole.
        self.pre_images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Export {
    pub(crate) fn new(engine: Arc<dyn Engine>, digests: Digests, mut limits: ExportLimits) -> Export {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Every chunk must get on, and one record beyond the bound must still fit in a frame.
        limits.chunk_keys = limits.chunk_keys.max(1);
        limits.chunk_bytes = limits.chunk_bytes.min(512 << 10);
        let pre_images = Mutex::new(PreImages::new(limits.clone()));
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Export { shared: Arc::new(Shared { id, engine, limits, digests, pre_images }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Unique in this process: whoever resumes names it.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Whether so much has changed since its moment that it has half of what it may take: whoever reads it had better
    /// not rest, lest it is lost.
    pub fn is_crowded(&self) -> bool {
        self.shared.pre_images().is_crowded()
    }

    /// The digests at its moment.
    pub fn digests(&self) -> &Digests {
        &self.shared.digests
    }

    /// Reads the whole export as frames. The note goes into the header: at most [`MAX_NOTE_BYTES`], for the caller's use.
    pub fn reader(&self, note: &[u8]) -> Result<ExportReader, Fault> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(Fault::TooLarge {
                what: "the note of an export",
                found: note.len(),
                limit: MAX_NOTE_BYTES,
            });
        }
        Ok(ExportReader {
            walk: self.walk(None),
            digests: self.shared.digests.clone(),
            next: Next::Header(frame::header(note)),
            records: 0,
            tally: Some(Tally::new(Digests::default())),
        })
    }

    /// Reads on behind a key that has arrived, as [`Incoming::last_key`](crate::Incoming::last_key) says: no header, then
    /// the records after it, then the same trailer.
    pub fn reader_after(&self, last_key: &[u8]) -> ExportReader {
        ExportReader {
            walk: self.walk(Some(last_key)),
            digests: self.shared.digests.clone(),
            next: Next::Records,
            records: 0,
            tally: None,
        }
    }

    /// Calls `each` for every key that changed since its moment: some more than once, in no order.
    pub(crate) fn each_changed(&self, mut each: impl FnMut(Raw) -> Result<(), Fault>) -> Result<(), Fault> {
        let (runs, newest) = self.shared.pre_images().changed()?;
        for run in runs {
            let mut cursor = RunCursor::seek(run, &[])?;
            while let Some((key, _)) = cursor.advance()? {
                each(key)?;
            }
        }
        newest.into_iter().try_for_each(each)
    }

    pub(crate) fn walk(&self, after: Option<&[u8]>) -> Walk {
        Walk::new(self.shared.clone(), after)
    }
}

/// Frames of an export, one at a time. It blocks on the disk: keep it off async threads.
pub struct ExportReader {
    walk: Walk,
    digests: Digests,
    next: Next,
    records: u64,
    /// Recomputes the digests; a reader that begins in the middle can't.
    tally: Option<Tally>,
}

enum Next {
    Header(Vec<u8>),
    Records,
    Nothing,
}

impl ExportReader {
    /// The next frame, at most [`MAX_FRAME_BYTES`](crate::MAX_FRAME_BYTES) long; `None` after the trailer. Records that
    /// do not give the digests that were kept are a [`Fault::DigestMismatch`]: this node's state is damaged.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        match std::mem::replace(&mut self.next, Next::Records) {
            Next::Header(header) => Ok(Some(header)),
            Next::Records => self.next_records(),
            Next::Nothing => {
                self.next = Next::Nothing;
                Ok(None)
            }
        }
    }

    /// How many records it has returned.
    pub fn records(&self) -> u64 {
        self.records
    }

    fn next_records(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            match self.walk.next_chunk()? {
                None => {
                    self.next = Next::Nothing;
                    self.check_digests()?;
                    return Ok(Some(frame::trailer(self.digests.count(), &self.digests)));
                }
                Some(records) if records.is_empty() => {}
                Some(records) => {
                    self.count(&records);
                    return Ok(Some(frame::records(&records)));
                }
            }
        }
    }

    fn count(&mut self, records: &[(Raw, Raw)]) {
        self.records += records.len() as u64;
        if let Some(tally) = &mut self.tally {
            for (key, value) in records {
                tally.add(key, value);
            }
        }
    }

    fn check_digests(&mut self) -> Result<(), Fault> {
        let Some(tally) = self.tally.take() else { return Ok(()) };
        let found = tally.finish();
        if found == self.digests {
            return Ok(());
        }
        Err(Fault::DigestMismatch {
            what: "an export",
            found: found.to_string(),
            expected: self.digests.to_string(),
        })
    }
}
