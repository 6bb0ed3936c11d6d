//! Snapshots are handles, never bytes: the state is in the engine already, and what travels is streamed from an
//! export of it.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use openraft::RaftSnapshotBuilder;
use storage::{Export, Received, Store};
use tokio::time::Instant;

use crate::{
    applier::Position,
    error::{Fault, FaultLine},
    flusher::Flusher,
    types::{Snapshot, SnapshotMeta, TypeConfig},
};

/// An export whose transfer was interrupted is kept this long, so that the next attempt can go on where it ended.
const RESUME_LIMIT: Duration = Duration::from_secs(30);

/// An export that no peer has begun to read is kept this long: a peer that is down must not hold the log.
const UNREAD_LIMIT: Duration = Duration::from_secs(3);

/// An export older than this holds the log back no longer, and new readers get a new one.
const AGE_LIMIT: Duration = Duration::from_secs(1800);

/// What stands for the state at one index.
pub enum SnapshotHandle {
    /// The engine itself, made durable: what lets the log before it go. It copies nothing.
    Durable,
    /// A moment of this node's state, to be read.
    Open(Arc<OpenSnapshot>),
    /// A copy that arrived from a peer, to be installed.
    Received(Box<Received>),
}

impl fmt::Debug for SnapshotHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SnapshotHandle::Durable => "durable",
            SnapshotHandle::Open(_) => "open",
            SnapshotHandle::Received(_) => "received",
        })
    }
}

/// An export and what it is of.
pub struct OpenSnapshot {
    pub(crate) export: Export,
    pub(crate) meta: SnapshotMeta,
    opened: Instant,
    /// When a peer last took a frame of it.
    read: Mutex<Option<Instant>>,
}

impl OpenSnapshot {
    /// The store as it is now; `None` if nothing is applied yet.
    pub(crate) fn of(store: &Store) -> Result<Option<OpenSnapshot>, Fault> {
        let view = store.view();
        let position = Position::read(&view)?;
        if position.log_id.is_none() {
            return Ok(None);
        }
        let meta = SnapshotMeta { last_log_id: position.log_id, last_membership: position.membership };
        let (export, opened) = (view.export()?, Instant::now());
        Ok(Some(OpenSnapshot { export, meta, opened, read: Mutex::default() }))
    }

    /// A peer took a frame.
    pub(crate) fn note_read(&self) {
        *self.read() = Some(Instant::now());
    }

    /// The copy that a reader of the whole export would receive; for a peer in the same process.
    pub(crate) fn copy_into(&self, store: &Store) -> Result<Received, Fault> {
        let mut incoming = store.receive()?;
        let mut reader = self.export.reader(&[])?;
        while let Some(frame) = reader.next_frame()? {
            incoming.push(&frame)?;
        }
        Ok(incoming.finish()?)
    }

    fn is_being_read(&self) -> bool {
        self.read().is_some_and(|last| last.elapsed() < RESUME_LIMIT) && self.opened.elapsed() < AGE_LIMIT
    }

    fn index(&self) -> u64 {
        self.meta.last_log_id.map_or(0, |id| id.index)
    }

    fn read(&self) -> MutexGuard<'_, Option<Instant>> {
        self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The export that is open now, if any. Readers that come while it is open share it.
#[derive(Clone, Default)]
pub(crate) struct Exports(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: Option<Arc<OpenSnapshot>>,
    /// The log may be trimmed up to here, so an export before it is of no use to a new reader.
    built: u64,
}

impl Exports {
    /// The current export, or a new one of the store as it is now. `None` if nothing is applied yet.
    pub(crate) fn join(&self, store: &Store) -> Result<Option<Arc<OpenSnapshot>>, Fault> {
        let mut state = self.lock();
        if let Some(open) = &state.open
            && open.opened.elapsed() < AGE_LIMIT
            && open.index() >= state.built
        {
            return Ok(Some(open.clone()));
        }
        state.open = OpenSnapshot::of(store)?.map(Arc::new);
        Ok(state.open.clone())
    }

    /// Whether a peer is reading an export: then it will need the log that follows.
    pub(crate) fn hold_the_log(&self) -> bool {
        self.lock().open.as_ref().is_some_and(|open| open.is_being_read())
    }

    /// The log may be trimmed up to `index` from now on.
    pub(crate) fn built(&self, index: u64) {
        self.lock().built = index;
    }

    /// Lets go of an export that nobody reads.
    pub(crate) fn expire(&self) {
        let mut state = self.lock();
        if let Some(open) = &state.open
            && !open.is_being_read()
            && open.opened.elapsed() > UNREAD_LIMIT
        {
            state.open = None;
        }
    }

    /// The export is no use any more: its state was replaced, or it failed.
    pub(crate) fn forget(&self) {
        self.lock().open = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain assignments only.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// "Builds" a snapshot by making the state durable.
pub struct SnapshotBuilder {
    pub(crate) flusher: Flusher,
    pub(crate) exports: Exports,
    pub(crate) fault_line: FaultLine,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotHandle;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let durable = self.flusher.flush_aside().await.map_err(|fault| self.fault_line.report(&fault))?;
        self.exports.built(durable.log_id.map_or(0, |id| id.index));
        let meta = SnapshotMeta { last_log_id: durable.log_id, last_membership: durable.membership };
        Ok(Snapshot { meta, snapshot: SnapshotHandle::Durable })
    }
}

/// Frames of one export, read without holding up the runtime.
pub(crate) struct Frames {
    reader: Option<storage::ExportReader>,
    off_thread: bool,
}

impl Frames {
    /// From the beginning, or behind the last key that has arrived at the other end.
    pub(crate) fn new(open: &OpenSnapshot, after: Option<&[u8]>, off_thread: bool) -> Result<Frames, Fault> {
        let reader = match after {
            Some(key) => open.export.reader_after(key),
            None => open.export.reader(&[])?,
        };
        Ok(Frames { reader: Some(reader), off_thread })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let (reader, frame) = aside(self.off_thread, move || {
            let frame = reader.next_frame();
            (reader, frame)
        })
        .await?;
        self.reader = Some(reader);
        Ok(frame?.map(Bytes::from))
    }
}

/// Runs blocking work on the blocking pool, or right here in a simulation.
pub(crate) async fn aside<T: Send + 'static>(
    off_thread: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    if !off_thread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Thread("snapshot"))
}
