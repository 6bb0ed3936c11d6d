//! An engine over an engine: batches are gathered in memory, and a thread of its own brings many of them at once, sorted
//! and each key once, into the engine beneath.
//!
//! It may, because what was acknowledged is durable in the log and replayed from there: of the state only an older
//! moment must be found again, but a whole one. One large batch of the engine beneath would stop every reader while it
//! is written, and single changes are not atomic together. So a generation of changes first becomes a *redo file* that
//! is durable and complete, then it goes into the engine change by change, and when the engine has flushed, the file is
//! removed. Opening applies the file again if it is there (the double-write buffer of InnoDB has the same order).
//!
//! A copy that nobody uses before it is whole needs none of that: its pieces go right beneath ([`Engine::load`]).
//!
//! ```text
//! commit ─▶ young ──16 MiB, a flush, or 10 s──▶ old ─▶ redo file, fsync ─▶ engine, change by change ─▶ flush ─▶ file removed
//!                                                       └ durable from here on
//! ```

mod hot;
mod pending;
mod redo;
mod sought;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;

use hot::Lookup;
use redo::Redo;
use walk::Walk;
use writer::{Limits, Shared};

/// Whether changes are waiting in files for which only this engine knows what to do.
pub(crate) fn has_redo(directory: &Path) -> bool {
    Redo::in_directory(directory).exists()
}

/// See the module. Dropping it brings everything into the engine beneath, unless it was retired.
pub(crate) struct WriteBehind {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    /// Something was loaded that the engine beneath has not flushed.
    loaded: AtomicBool,
    retired: AtomicBool,
}

impl WriteBehind {
    /// Takes an engine and the directory in which the redo file is kept; applies one that a crash has left.
    pub(crate) fn open(engine: Arc<dyn Engine>, directory: &Path) -> Result<WriteBehind, Fault> {
        WriteBehind::open_with(engine, directory, Limits::default())
    }

    fn open_with(engine: Arc<dyn Engine>, directory: &Path, limits: Limits) -> Result<WriteBehind, Fault> {
        let redo = Redo::in_directory(directory);
        if let Some(changes) = redo.read()? {
            tracing::info!(
                changes = changes.len(),
                "changes that had not reached the engine are applied again"
            );
            let changes: Vec<_> = changes.iter().map(|(key, value)| (key, value.as_ref())).collect();
            engine.write_sorted(&changes)?;
            engine.flush()?;
            redo.remove()?;
        }
        let shared = Arc::new(Shared::new(engine, redo, limits));
        let writer = std::thread::Builder::new().name("state-writer".to_owned()).spawn({
            let shared = shared.clone();
            move || shared.run()
        });
        let writer = writer.map_err(|error| Fault::io("start a thread for", directory, error))?;
        let (loaded, retired) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(WriteBehind { shared, writer: Some(writer), loaded, retired })
    }
}

impl Engine for WriteBehind {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        // What is pending is looked at first: it leaves memory only after it has arrived beneath.
        let pending = self.shared.pending().get(key);
        if let Some(change) = pending {
            return Ok(change);
        }
        match self.shared.hot.get(key) {
            Lookup::Kept(value) => Ok(Some(value)),
            Lookup::Ask(ticket) => {
                let found = self.shared.engine.get(key)?;
                if let Some(value) = &found {
                    self.shared.hot.keep(&ticket, key, value);
                }
                Ok(found)
            }
        }
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        Box::new(Walk::new(&self.shared, range, direction))
    }

    fn may_hold(&self, prefix: u8, tail: &[u8]) -> Result<bool, Fault> {
        match self.shared.sought.may_hold(prefix, tail) {
            Some(answer) => Ok(answer),
            None => {
                self.shared.begin_to_seek(prefix, tail.len());
                Ok(true)
            }
        }
    }

    fn make_room(&self) -> Result<(), Fault> {
        self.shared.make_room()
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        self.shared.commit(batch)
    }

    fn load(&self, piece: Batch) -> Result<(), Fault> {
        // What is pending would hide it, and only one thread at a time may write beneath.
        if self.shared.pending().is_used() {
            return Err(Fault::Engine { doing: "load", detail: "something was committed before".to_owned() });
        }
        self.loaded.store(true, Ordering::Release);
        let mut changes: Vec<_> = piece.writes().iter().map(|(key, value)| (key, value.as_ref())).collect();
        changes.sort_unstable();
        self.shared.engine.write_sorted(&changes)
    }

    fn flush(&self) -> Result<(), Fault> {
        if self.loaded.load(Ordering::Acquire) {
            self.shared.engine.flush()?;
            self.loaded.store(false, Ordering::Release);
        }
        self.shared.flush()
    }

    fn close(&self) -> Result<(), Fault> {
        self.shared.stop(false);
        self.shared.ended()
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        Ok(self.shared.engine.size_bytes()? + self.shared.redo.size_bytes())
    }

    fn is_durable(&self) -> bool {
        self.shared.engine.is_durable()
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.shared.engine.retire();
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        // Nobody needs the records of an obsolete state any more.
        self.shared.stop(self.retired.load(Ordering::Relaxed));
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!(
                "the thread that writes the state has panicked; the log replays what it had not written"
            );
        }
    }
}
