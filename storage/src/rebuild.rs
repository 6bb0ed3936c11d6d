//! Compaction: the same state in new, small files, while commits go on.
//!
//! Everything is copied from an export into a new generation. What changed meanwhile is known from the export's
//! pre-images: those keys are copied again, as they are by then, and so on in rounds that get shorter, because the next
//! export is opened before the keys of the last one are read. The last round holds the commits up: it is a few keys, the
//! local records, one flush of what is new, and the flip of `CURRENT`. No log is needed, and raft does not notice.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::digest::{Digests, Tally};
use crate::engine::{Batch, Direction, Engine, KeyRange, Raw};
use crate::fault::Fault;
use crate::home::Generation;
use crate::key::FIRST_REPLICATED_PREFIX;
use crate::snapshot::{Export, FLUSH_EVERY_BYTES};
use crate::store::Store;

/// Rounds that catch up while commits go on; after them the last one comes, however much it is.
const MOST_ROUNDS: usize = 16;
/// A round that copied fewer keys than this was short enough: the next is the last.
const FEW_KEYS: u64 = 200;
/// Keys written at once.
const BATCH_KEYS: usize = 256;

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Replicated records that were copied first.
    pub records: u64,
    /// Their keys and values, in bytes.
    pub bytes: u64,
    /// What the engine occupied before and occupies now, in bytes.
    pub size_before: u64,
    pub size_after: u64,
    /// How long commits and views waited for the last round.
    pub paused: Duration,
}

impl Store {
    /// Copies the state into a new generation and uses that from then on. It blocks on the disk for as long as that
    /// takes; `rest` is called between pieces of at most 256 KiB with the time the last one took, so that the caller can
    /// leave the disk to others for a while, or break it off; with no time at all when so much changes meanwhile that it
    /// had better hurry. Only one at a time is of use.
    ///
    /// # Errors
    /// [`Fault::BrokenOff`], [`Fault::ExportLost`], [`Fault::NotRebuilt`], [`Fault::Superseded`] and
    /// [`Fault::TooManyExports`] leave everything as it was: try again later.
    /// [`Fault::DigestMismatch`]: this node's records are damaged. Any other is this node's own and fatal.
    pub fn rebuild(&self, mut rest: impl FnMut(Duration) -> ControlFlow<()>) -> Result<Rebuilt, Fault> {
        let (mut export, old) = {
            let view = self.view();
            (view.export()?, view.current.engine.clone())
        };
        let size_before = old.size_bytes()?;
        let generation = self.home.create().map_err(not_written)?;
        let (records, bytes) = copy_all(&export, &*generation.engine, &mut rest)?;
        for _ in 0..MOST_ROUNDS {
            let next = self.export()?;
            let copied = copy_changed(&export, &*old, &*generation.engine)?;
            export = next;
            if copied < FEW_KEYS {
                break;
            }
        }
        generation.engine.flush().map_err(not_written)?;
        let (size_after, paused) = self.replace(&old, &export, generation)?;
        Ok(Rebuilt { records, bytes, size_before, size_after, paused })
    }

    /// The last round, and the flip. The number of commits stays: a transaction that is open has read the same state.
    fn replace(
        &self,
        old: &Arc<dyn Engine>,
        export: &Export,
        mut generation: Generation,
    ) -> Result<(u64, Duration), Fault> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        if !Arc::ptr_eq(&current.engine, old) {
            return Err(Fault::Superseded);
        }
        copy_changed(export, &**old, &*generation.engine)?;
        copy_local(&**old, &*generation.engine)?;
        generation.engine.flush().map_err(not_written)?;
        self.home.adopt(&generation)?;
        generation.adopted = true;
        current.engine = generation.engine.clone();
        let size_after = current.engine.size_bytes()?;
        drop(current);
        let paused = started.elapsed();
        old.retire();
        Ok((size_after, paused))
    }
}

/// Copies the moment of the export, and checks that it is what its digests say: damage must not be copied on.
fn copy_all(
    export: &Export,
    to: &dyn Engine,
    rest: &mut impl FnMut(Duration) -> ControlFlow<()>,
) -> Result<(u64, u64), Fault> {
    let (mut walk, mut tally) = (export.walk(None), Tally::new(Digests::default()));
    let (mut records, mut bytes, mut flushed) = (0, 0, 0);
    loop {
        let started = Instant::now();
        let Some(chunk) = walk.next_chunk()? else { break };
        let mut batch = Batch::default();
        for (key, value) in chunk {
            tally.add(&key, &value);
            records += 1;
            bytes += (key.len() + value.len()) as u64;
            batch.put(key, value);
        }
        to.load(batch).map_err(not_written)?;
        if bytes - flushed >= FLUSH_EVERY_BYTES {
            to.flush().map_err(not_written)?;
            flushed = bytes;
        }
        let took = if export.is_crowded() { Duration::ZERO } else { started.elapsed() };
        if rest(took).is_break() {
            return Err(Fault::BrokenOff);
        }
    }
    let found = tally.finish();
    if found != *export.digests() {
        return Err(Fault::DigestMismatch {
            what: "a rebuild",
            found: found.to_string(),
            expected: export.digests().to_string(),
        });
    }
    Ok((records, bytes))
}

/// Copies what has changed since the export's moment, as it is now. Returns how many keys.
fn copy_changed(export: &Export, from: &dyn Engine, to: &dyn Engine) -> Result<u64, Fault> {
    let (mut copied, mut batch) = (0, Vec::with_capacity(BATCH_KEYS));
    export.each_changed(|key| {
        copied += 1;
        let value = from.get(&key)?;
        batch.push((key, value));
        if batch.len() < BATCH_KEYS { Ok(()) } else { write(std::mem::take(&mut batch), to) }
    })?;
    write(batch, to)?;
    Ok(copied)
}

/// Copies the records that are in no export: this crate's own and the node's.
fn copy_local(from: &dyn Engine, to: &dyn Engine) -> Result<(), Fault> {
    let local = KeyRange { start: Vec::new(), end: Some(vec![FIRST_REPLICATED_PREFIX]) };
    let mut records = Vec::new();
    for record in from.scan(local, Direction::Forward) {
        let (key, value) = record?;
        records.push((key, Some(value)));
    }
    write(records, to)
}

fn write(records: Vec<(Raw, Option<Raw>)>, to: &dyn Engine) -> Result<(), Fault> {
    let mut batch = Batch::default();
    for (key, value) in records {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    to.commit(batch).map_err(not_written)
}

/// The new files are of no use then; the old ones are as they were.
fn not_written(fault: Fault) -> Fault {
    Fault::NotRebuilt { detail: fault.to_string() }
}
