//! The log of a node, in the format that its directory has.

use std::{fmt::Debug, io, ops::RangeBounds, path::Path, sync::Arc};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};

use super::{
    convert,
    earlier::EarlierLog,
    format::{self, Format},
    wal::WalLog,
};
use crate::{
    error::{Fault, FaultLine},
    observer::Observer,
    types::{LogId, RaftEntry, TypeConfig, Vote},
};

/// Makes the state durable up to an index; called before entries up to there are purged.
pub(crate) type BeforePurge = Box<dyn Fn(u64) -> Result<(), Fault> + Send + Sync>;

/// When a log is kept in the newest format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newest {
    /// Only if it is already.
    Never,
    /// If it begins now.
    IfNew,
    /// Also if it is in an earlier one, which it is brought out of first. No earlier program can read it then.
    Always,
}

/// The log of one node. Clones share it.
#[derive(Clone)]
pub(crate) enum DiskLog {
    Earlier(EarlierLog),
    Wal(WalLog),
}

impl DiskLog {
    /// Opens the log in `dir`, beginning it if there is none. The directory is locked until the last clone is gone.
    ///
    /// # Errors
    /// [`Fault::LogFormat`] for a log of another version, [`Fault::Log`] if it cannot be read or is in use.
    pub(crate) fn open(
        dir: &Path,
        newest: Newest,
        fault_line: FaultLine,
        observer: Arc<dyn Observer>,
        before_purge: BeforePurge,
    ) -> Result<DiskLog, Fault> {
        let opened = match format::prepare(dir, newest != Newest::Never)? {
            Format::Earlier if newest == Newest::Always => {
                convert::convert(dir)?;
                WalLog::open(&format::log_dir(dir), fault_line, observer, before_purge).map(DiskLog::Wal)
            }
            Format::Earlier => {
                return EarlierLog::open(&format::log_dir(dir), fault_line, observer, before_purge)
                    .map(DiskLog::Earlier);
            }
            Format::Newest => {
                WalLog::open(&format::log_dir(dir), fault_line, observer, before_purge).map(DiskLog::Wal)
            }
        };
        opened.map_err(|source| Fault::Log { doing: "opening", source })
    }

    /// Bytes of the log's files.
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            DiskLog::Earlier(log) => log.size_bytes(),
            DiskLog::Wal(log) => log.size_bytes(),
        }
    }
}

impl RaftLogReader<TypeConfig> for DiskLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<RaftEntry>> {
        match self {
            DiskLog::Earlier(log) => log.try_get_log_entries(range).await,
            DiskLog::Wal(log) => log.try_get_log_entries(range).await,
        }
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        match self {
            DiskLog::Earlier(log) => log.read_vote().await,
            DiskLog::Wal(log) => log.read_vote().await,
        }
    }
}

impl RaftLogStorage<TypeConfig> for DiskLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        match self {
            DiskLog::Earlier(log) => log.get_log_state().await,
            DiskLog::Wal(log) => log.get_log_state().await,
        }
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        match self {
            DiskLog::Earlier(log) => log.save_vote(vote).await,
            DiskLog::Wal(log) => log.save_vote(vote).await,
        }
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        match self {
            DiskLog::Earlier(log) => log.save_committed(committed).await,
            DiskLog::Wal(log) => log.save_committed(committed).await,
        }
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        match self {
            DiskLog::Earlier(log) => log.read_committed().await,
            DiskLog::Wal(log) => log.read_committed().await,
        }
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        match self {
            DiskLog::Earlier(log) => log.append(entries, flushed).await,
            DiskLog::Wal(log) => log.append(entries, flushed).await,
        }
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        match self {
            DiskLog::Earlier(log) => log.truncate_after(last).await,
            DiskLog::Wal(log) => log.truncate_after(last).await,
        }
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        match self {
            DiskLog::Earlier(log) => log.purge(upto).await,
            DiskLog::Wal(log) => log.purge(upto).await,
        }
    }
}
