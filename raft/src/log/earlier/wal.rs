//! raft-log's write-ahead log behind openraft's interface.

use std::{
    fmt::Debug,
    io,
    ops::RangeBounds,
    path::Path,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    entry::RaftEntry as _,
    storage::{IOFlushed, RaftLogStorage},
};
use raft_log::{RaftLog, api::raft_log_writer::RaftLogWriter};

use super::{
    group_commit::{Done, Group, GroupCommit, Waiter, start_syncs},
    records::{WalLogId, WalPayload, WalVote},
};
use crate::{
    codec,
    error::{Fault, FaultLine},
    log::{disk::BeforePurge, range::half_open},
    observer::Observer,
    types::{LogId, RaftEntry, TypeConfig, Vote},
};

/// Log entries kept in memory, and the size of one file of the log.
const CACHE_AND_CHUNK_BYTES: usize = 64 * 1024 * 1024;

/// Buffer for reading the log back at start.
const REPLAY_BUFFER_BYTES: usize = 1024 * 1024;

/// raft-log blocks a writer above this much unwritten data, and the writer is the thread that keeps elections
/// going; [`crate::Config::max_pending_bytes`] bounds it long before.
const FLUSH_QUEUE_BYTES: usize = 1 << 30;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Records;

impl raft_log::Types for Records {
    type LogId = WalLogId;
    type LogPayload = WalPayload;
    type Vote = WalVote;
    type Callback = Done;
    type UserData = WalLogId;

    fn log_index(log_id: &Self::LogId) -> u64 {
        log_id.0.index
    }

    fn payload_size(payload: &Self::LogPayload) -> u64 {
        codec::payload_size(&payload.0) as u64
    }
}

pub(super) struct Shared {
    log: RwLock<RaftLog<Records>>,
    commit: Arc<GroupCommit>,
    fault_line: FaultLine,
    /// Makes the state durable up to an index; called before entries up to there are purged.
    before_purge: BeforePurge,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, RaftLog<Records>> {
        self.log.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, RaftLog<Records>> {
        // After a panic inside raft-log the next flush fails or not on its own account.
        self.log.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Starts a sync of everything written so far, on behalf of `group`.
    pub(super) fn sync(&self, group: Group) {
        let done = Done::Group { commit: self.commit.clone(), group };
        let started = self.write().flush(true, Some(done));
        if let Err(source) = started {
            // The group went down with the request; openraft hears of it by its next call, and stops.
            self.fault_line.report(&Fault::Log { doing: "starting a flush", source });
        }
    }
}

/// The log of one node. Clones share it.
#[derive(Clone)]
pub(crate) struct EarlierLog(Arc<Shared>);

impl EarlierLog {
    /// Opens the log in `dir`, creating it if there is none. The directory is locked until the last clone is
    /// gone.
    ///
    /// # Errors
    /// [`Fault::Log`] if it cannot be read or is in use.
    pub(crate) fn open(
        dir: &Path,
        fault_line: FaultLine,
        observer: Arc<dyn Observer>,
        before_purge: BeforePurge,
    ) -> Result<EarlierLog, Fault> {
        let mut config = raft_log::Config::new(dir.display());
        config.wal.flush_batch_wait = Some(Duration::ZERO);
        config.wal.chunk_max_size = Some(CACHE_AND_CHUNK_BYTES);
        config.wal.read_buffer_size = Some(REPLAY_BUFFER_BYTES);
        config.wal.flush_queue_max_bytes = Some(FLUSH_QUEUE_BYTES);
        config.log_cache_capacity = Some(CACHE_AND_CHUNK_BYTES);
        let log =
            RaftLog::open(Arc::new(config)).map_err(|source| Fault::Log { doing: "opening", source })?;
        let (commit, starts) = GroupCommit::new(fault_line.clone(), observer);
        let shared =
            Arc::new(Shared { log: RwLock::new(log), commit: commit.clone(), fault_line, before_purge });
        let (weak_shared, weak_commit) = (Arc::downgrade(&shared), Arc::downgrade(&commit));
        // It ends by itself when the log is dropped and its last flush is done.
        std::thread::Builder::new()
            .name("wal-sync".into())
            .spawn(move || start_syncs(&weak_shared, &weak_commit, &starts))
            .map_err(|_| Fault::Thread("wal-sync"))?;
        Ok(EarlierLog(shared))
    }

    /// Bytes of the log's files.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.0.read().on_disk_size()
    }

    /// The log's vote, commit index and last purged entry.
    pub(crate) fn bounds(&self) -> (Option<Vote>, Option<LogId>, Option<LogId>) {
        let log = self.0.read();
        let state = log.log_state();
        (state.vote().map(|vote| vote.0), state.committed().map(|id| id.0), state.purged().map(|id| id.0))
    }

    /// Gives each entry to `take`, in order.
    ///
    /// # Errors
    /// What reading or `take` fails with.
    pub(crate) fn each(&self, mut take: impl FnMut(RaftEntry) -> io::Result<()>) -> io::Result<()> {
        self.0.read().read(0, u64::MAX).try_for_each(|read| {
            let (id, payload) = read?;
            take(RaftEntry { log_id: id.0, payload: payload.0 })
        })
    }

    fn fail(&self, doing: &'static str) -> impl FnOnce(io::Error) -> io::Error + '_ {
        move |source| self.0.fault_line.report(&Fault::Log { doing, source })
    }
}

impl RaftLogReader<TypeConfig> for EarlierLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<RaftEntry>> {
        let (from, to) = half_open(&range);
        self.0
            .read()
            .read(from, to)
            .map(|read| read.map(|(id, payload)| RaftEntry { log_id: id.0, payload: payload.0 }))
            .collect::<io::Result<_>>()
            .map_err(self.fail("reading entries"))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.read().log_state().vote().map(|vote| vote.0))
    }
}

impl RaftLogStorage<TypeConfig> for EarlierLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let log = self.0.read();
        let state = log.log_state();
        Ok(LogState {
            last_purged_log_id: state.purged().map(|id| id.0),
            last_log_id: state.last().map(|id| id.0),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (reply, done) = tokio::sync::oneshot::channel();
        {
            let mut log = self.0.write();
            log.save_vote(WalVote(*vote)).map_err(self.fail("saving a vote"))?;
            log.flush(true, Some(Done::Vote(reply))).map_err(self.fail("saving a vote"))?;
        }
        let synced = done.await.unwrap_or_else(|_| Err(io::Error::other("the flush thread ended")));
        synced.map_err(self.fail("making a vote durable"))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        // Not flushed: it rides with the next append. Losing it costs a later replay, never an entry.
        if let Some(id) = committed {
            self.0.write().commit(WalLogId(id)).map_err(self.fail("saving the commit index"))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.0.read().log_state().committed().map(|id| id.0))
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let since = Instant::now();
        let (mut count, mut bytes) = (0, 0);
        let records = entries.into_iter().map(|entry| {
            count += 1;
            bytes += codec::payload_size(&entry.payload) as u64;
            (WalLogId(entry.log_id()), WalPayload(entry.payload))
        });
        self.0.write().append(records).map_err(self.fail("appending"))?;
        let waiter = Waiter { flushed, entries: count, bytes, since };
        if let Some(group) = self.0.commit.join(waiter) {
            self.0.sync(group);
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |id| id.index + 1);
        let mut log = self.0.write();
        let end = log.log_state().last().map_or(0, |id| id.0.index + 1);
        if from < end {
            // Not flushed: records reach the disk in order, so no later append can be durable without it.
            log.truncate(from).map_err(self.fail("truncating"))?;
        }
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        (self.0.before_purge)(upto.index).map_err(|fault| self.0.fault_line.report(&fault))?;
        let mut log = self.0.write();
        log.purge(WalLogId(upto)).map_err(self.fail("purging"))?;
        log.flush(true, None).map_err(self.fail("purging"))
    }
}
