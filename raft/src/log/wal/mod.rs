//! The log on disk: segments filled with zeros beforehand, and a thread that writes batches into them.
//!
//! What is promised: an append or a vote is acknowledged when it is durable; what was acknowledged is there after a crash, or the
//! log refuses to open (but when the last file is gone, or nothing but zeros is left of the last batch: that looks like a log in
//! which it never was); what was not may be there or not, each batch whole.

mod format;
mod segment;
mod state;
mod writer;

use std::{
    fmt::Debug,
    fs::{self, File, TryLockError},
    io,
    ops::RangeBounds,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use format::{End, Record};
use futures::executor::block_on;
use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use segment::{Ahead, Held, SEGMENT_BYTES, Segment, invalid};
use state::{Place, State, Waiter};
use writer::{Core, Writer};

use super::{disk::BeforePurge, format::sync_dir, range::half_open};
use crate::{
    codec,
    error::FaultLine,
    observer::{NoObserver, Observer},
    types::{LogId, RaftEntry, TypeConfig, Vote},
};

/// Of a log that is copied, what may wait for the disk.
const COPY_BYTES: u64 = 4 << 20;

/// Locked as long as the log is open.
const LOCK: &str = "LOCK";

/// The log of one node. Clones share it; the last one ends it.
#[derive(Clone)]
pub(crate) struct WalLog(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    before_purge: BeforePurge,
    writer: Option<JoinHandle<()>>,
    _lock: File,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.close();
        // A panic in it is reported already.
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

impl WalLog {
    /// Opens the log in `dir`, or begins one. The directory is locked until the last clone is gone.
    ///
    /// # Errors
    /// It is in use, cannot be read or written, or what was durable in it is damaged.
    pub(super) fn open(
        dir: &Path,
        fault_line: FaultLine,
        observer: Arc<dyn Observer>,
        before_purge: BeforePurge,
    ) -> io::Result<WalLog> {
        let lock = File::create(dir.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::WouldBlock, "it is in use"),
            TryLockError::Error(error) => error,
        })?;
        let mut state = State::default();
        let (segments, used) = read_all(dir, &mut state)?;
        if !state.opened(segments.iter().map(|held| held.segment.clone()).collect()) {
            return Err(invalid(format!("{}: a segment is missing", dir.display())));
        }
        let core = Arc::new(Core::new(state, fault_line, observer));
        let writer =
            Writer { core: core.clone(), dir: dir.to_owned(), segments, used, ahead: Ahead::default() };
        let writer = Some(writer.start()?);
        Ok(WalLog(Arc::new(Handle { core, before_purge, writer, _lock: lock })))
    }

    /// Writes a whole log into `dir`: vote, commit index and last purged entry, and what `entries` gives. It is durable, and
    /// was read again, when this returns.
    ///
    /// # Errors
    /// What reading and writing fail with.
    pub(super) fn write(
        dir: &Path,
        (vote, committed, purged): (Option<Vote>, Option<LogId>, Option<LogId>),
        entries: impl FnOnce(&mut dyn FnMut(RaftEntry) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<()> {
        let open = || WalLog::open(dir, FaultLine::new(), Arc::new(NoObserver), Box::new(|_| Ok(())));
        let log = open()?;
        log.0.core.change(|state| {
            vote.into_iter().for_each(|vote| state.save_vote(vote));
            purged.into_iter().for_each(|id| state.purge(id));
            committed.into_iter().for_each(|id| state.save_committed(id));
            Ok(())
        })?;
        entries(&mut |entry| {
            log.0.core.change(|state| {
                state.append(entry)?;
                state.due = state.batch_bytes() > COPY_BYTES;
                Ok(())
            })?;
            // A change that fails tells that nothing is written any more.
            while log.0.core.lock().batch_bytes() > 2 * COPY_BYTES {
                std::thread::sleep(Duration::from_millis(1));
                log.0.core.change(|_| Ok(()))?;
            }
            Ok(())
        })?;
        block_on(log.sync())?;
        let written = *log.0.core.lock().bounds();
        drop(log);
        match *open()?.0.core.lock().bounds() == written {
            true => Ok(()),
            false => Err(invalid("it does not read as it was written".into())),
        }
    }

    /// Bytes of the log's files, within those of the longest batch.
    pub(super) fn size_bytes(&self) -> u64 {
        self.0.core.lock().segments.len() as u64 * SEGMENT_BYTES
    }

    /// Returns when all that was changed before is durable.
    async fn sync(&self) -> io::Result<()> {
        let (reply, done) = tokio::sync::oneshot::channel();
        self.0.core.change(|state| {
            state.wait(Waiter::Reply(reply));
            Ok(())
        })?;
        done.await.unwrap_or_else(|_| Err(io::Error::other("the writer ended")))
    }
}

/// Reads the whole log in `dir`, or begins one: its segments, and the bytes used in the last one.
fn read_all(dir: &Path, state: &mut State) -> io::Result<(Vec<Held>, u64)> {
    let (mut read, mut used, mut end) = (Vec::new(), 0, 0);
    let mut segments = Segment::all(dir)?.into_iter().peekable();
    while let Some(mut segment) = segments.next() {
        // Nothing is before the first one; and what was purged may have come back when its removal was not durable yet.
        let mut begins = read.is_empty() || segment.start != end;
        let (content, mut largest) = (content(&segment.path)?, 0);
        let (bytes, ends) = format::read_segment(&content, segment.start, |at, bytes, record| {
            if let Record::Entry(id, _) = &record {
                largest = largest.max(id.index);
            }
            state.replay(segment.start + at as u64, bytes, record, std::mem::take(&mut begins))
        });
        match ends {
            End::Damaged(why) => return Err(damaged(&segment, bytes, why)),
            End::Clean | End::Torn if bytes == 0 && segment.start != end => {
                return Err(damaged(&segment, 0, "nothing is in it, and what was before it is missing"));
            }
            End::Torn if segments.peek().is_some() => {
                return Err(damaged(&segment, bytes, "a batch is torn, and a segment follows"));
            }
            End::Torn => {
                let file = segment.path.display();
                tracing::warn!(%file, at = bytes, "what was being written when the power failed is dropped");
                segment = segment.replace(dir, &content[..bytes])?;
            }
            End::Clean if segments.peek().is_none() => segment.rewrite(&content)?,
            End::Clean => {}
        }
        used = bytes as u64;
        end = segment.start + used;
        read.push(Held { segment: Arc::new(segment), largest });
    }
    if read.is_empty() {
        let first = Segment::begin(dir, 0, segment::prepare(dir)?)?;
        read.push(Held { segment: Arc::new(first), largest: 0 });
    }
    // The names too.
    sync_dir(dir)?;
    Ok((read, used))
}

/// A file without the zeros at its end, so that entries which share its memory do not keep more of it than they need.
fn content(path: &Path) -> io::Result<Bytes> {
    let whole = fs::read(path)?;
    let end = whole.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(Bytes::copy_from_slice(&whole[..end]))
}

fn read_entry(place: &Place) -> io::Result<RaftEntry> {
    let why = || invalid(format!("entry {} is not readable", place.id.index));
    let segment = place.segment.as_ref().ok_or_else(why)?;
    let mut bytes = vec![0; place.bytes];
    segment.file.read_exact_at(&mut bytes, place.at - segment.start)?;
    match format::read_record(&bytes.into()) {
        Ok((Record::Entry(log_id, payload), _)) if log_id == place.id => Ok(RaftEntry { log_id, payload }),
        _ => Err(why()),
    }
}

fn damaged(segment: &Segment, at: usize, why: &str) -> io::Error {
    invalid(format!("{} at byte {at}: {why}", segment.path.display()))
}

impl RaftLogReader<TypeConfig> for WalLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<RaftEntry>> {
        let (from, to) = half_open(&range);
        let entries = self.0.core.lock().read(from, to);
        let read: io::Result<Vec<_>> =
            entries.into_iter().map(|entry| entry.or_else(|place| read_entry(&place))).collect();
        read.map_err(|error| self.0.core.report("reading entries", error))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.core.lock().bounds().vote)
    }
}

impl RaftLogStorage<TypeConfig> for WalLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        Ok(self.0.core.lock().bounds().state())
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.0.core.change(|state| {
            state.save_vote(*vote);
            Ok(())
        })?;
        self.sync().await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(id) = committed else { return Ok(()) };
        // Nobody waits for it: it rides with the next append. Losing it costs a later replay, never an entry.
        self.0.core.change(|state| {
            state.save_committed(id);
            Ok(())
        })
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.0.core.lock().bounds().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let since = Instant::now();
        let appended = self.0.core.change(|state| {
            let (mut count, mut bytes) = (0, 0);
            for entry in entries {
                count += 1;
                bytes += codec::payload_size(&entry.payload) as u64;
                state.append(entry)?;
            }
            state.wait(Waiter::Append { flushed, entries: count, bytes, since });
            Ok(())
        });
        appended.map_err(|error| self.0.core.report("appending", error))
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.0.core.change(|state| {
            state.truncate(last.map_or(0, |id| id.index + 1));
            Ok(())
        })?;
        // Appends would be durable in its order anyway. But a leader's copy of the state may come next, and after a crash it
        // must not find the entries that it replaces.
        self.sync().await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        (self.0.before_purge)(upto.index).map_err(|fault| self.0.core.fault_line.report(&fault))?;
        self.0.core.change(|state| {
            state.purge(upto);
            state.due = true;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
