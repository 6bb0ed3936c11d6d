//! The log's twin in memory, for simulations: it knows what would have survived a crash.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    io,
    ops::RangeBounds,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    entry::RaftEntry as _,
    storage::{IOFlushed, RaftLogStorage},
};

use super::range::half_open;
use crate::types::{LogId, RaftEntry, TypeConfig, Vote};

/// What a log holds.
#[derive(Debug, Clone, Default)]
struct Content {
    entries: BTreeMap<u64, RaftEntry>,
    purged: Option<LogId>,
    committed: Option<LogId>,
    vote: Option<Vote>,
}

#[derive(Debug, Clone)]
enum Write {
    Append(Vec<RaftEntry>),
    TruncateFrom(u64),
    Purge(LogId),
    Committed(LogId),
    Vote(Vote),
}

impl Content {
    fn write(&mut self, write: Write) {
        match write {
            Write::Append(entries) => self.entries.extend(entries.into_iter().map(|e| (e.log_id.index, e))),
            Write::TruncateFrom(index) => drop(self.entries.split_off(&index)),
            Write::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = self.purged.max(Some(upto));
            }
            Write::Committed(id) => self.committed = Some(id),
            Write::Vote(vote) => self.vote = Some(vote),
        }
    }
}

/// The disk under a [`MemoryLog`]: it outlives a crash, what was not synced may not.
#[derive(Debug, Clone, Default)]
pub struct LogDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    durable: Content,
    /// In order; a crash keeps some beginning of it.
    unsynced: VecDeque<Write>,
    /// Counts crashes: logs opened before the last one are dead.
    life: u64,
    sync_time: Duration,
}

impl LogDisk {
    /// A disk whose syncs take `sync_time`.
    pub fn new(sync_time: Duration) -> LogDisk {
        LogDisk(Arc::new(Mutex::new(Disk { sync_time, ..Disk::default() })))
    }

    /// How long syncs take from now on.
    pub fn set_sync_time(&self, sync_time: Duration) {
        self.lock().sync_time = sync_time;
    }

    /// Power fails. Everything synced stays; of the rest, the first `survivors` writes do, in order.
    pub fn crash(&self, survivors: usize) {
        let mut disk = self.lock();
        let keep = survivors.min(disk.unsynced.len());
        let kept: Vec<Write> = disk.unsynced.drain(..keep).collect();
        for write in kept {
            disk.durable.write(write);
        }
        disk.unsynced.clear();
        disk.life += 1;
    }

    /// Opens the log as a process that starts now would find it.
    pub fn open(&self) -> MemoryLog {
        let disk = self.lock();
        let content = Arc::new(Mutex::new(disk.durable.clone()));
        MemoryLog { disk: self.clone(), content, life: disk.life }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A log in memory over a [`LogDisk`]. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    disk: LogDisk,
    /// What the process sees, synced or not.
    content: Arc<Mutex<Content>>,
    life: u64,
}

impl MemoryLog {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes without syncing. Returns the number of writes that a sync has to cover.
    fn write(&self, write: Write) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        if disk.life != self.life {
            return Err(io::Error::other("this log went down with its process"));
        }
        disk.unsynced.push_back(write.clone());
        self.content().write(write);
        Ok(disk.unsynced.len())
    }

    /// Returns when everything written before the call is durable.
    async fn sync(&self) -> io::Result<()> {
        let (count, time) = {
            let disk = self.disk.lock();
            (disk.unsynced.len(), disk.sync_time)
        };
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        let mut disk = self.disk.lock();
        if disk.life != self.life {
            return Err(io::Error::other("this log went down with its process"));
        }
        // Another sync may have covered some of them meanwhile, in which case later writes are covered too,
        // which does no harm: being durable early is no lie.
        let count = count.min(disk.unsynced.len());
        let writes: Vec<Write> = disk.unsynced.drain(..count).collect();
        for write in writes {
            disk.durable.write(write);
        }
        Ok(())
    }
}

impl RaftLogReader<TypeConfig> for MemoryLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<RaftEntry>> {
        let (from, to) = half_open(&range);
        Ok(self.content().entries.range(from..to).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.content().vote)
    }
}

impl RaftLogStorage<TypeConfig> for MemoryLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let content = self.content();
        let last = content.entries.last_key_value().map(|(_, entry)| entry.log_id());
        Ok(LogState { last_purged_log_id: content.purged, last_log_id: last.or(content.purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.write(Write::Vote(*vote))?;
        self.sync().await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(id) = committed {
            self.write(Write::Committed(id))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.content().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.write(Write::Append(entries.into_iter().collect()))?;
        let log = self.clone();
        tokio::spawn(async move { flushed.io_completed(log.sync().await) });
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.write(Write::TruncateFrom(last.map_or(0, |id| id.index + 1)))?;
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.write(Write::Purge(upto))?;
        self.sync().await
    }
}
