//! How far this node has come. The applier writes it, everybody else reads it.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use storage::Digests;
use tokio::sync::{Notify, watch};

use crate::types::{LogId, StoredMembership};

/// Indices whose digest is remembered.
const DIGESTS_KEPT: usize = 64;

/// Where apply stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applied {
    pub log_id: Option<LogId>,
    pub membership: StoredMembership,
}

pub(crate) struct Progress {
    applied: Mutex<Applied>,
    index: watch::Sender<u64>,
    digests: Mutex<VecDeque<(u64, Digests)>>,
    /// One more than the last index that is durable in the engine; 0 before there is any.
    durable_end: AtomicU64,
    /// Entries applied since a flush last began.
    unflushed: AtomicU64,
    flush_after: u64,
    pub flush_due: Notify,
    pub last_stamp_ms: AtomicU64,
    pub active_version: AtomicU32,
}

impl Progress {
    /// `flush_after`: entries applied before a flush is due.
    pub(crate) fn new(flush_after: u64) -> Progress {
        Progress {
            applied: Mutex::default(),
            index: watch::Sender::new(0),
            digests: Mutex::default(),
            durable_end: AtomicU64::new(0),
            unflushed: AtomicU64::new(0),
            flush_after,
            flush_due: Notify::new(),
            last_stamp_ms: AtomicU64::new(0),
            active_version: AtomicU32::new(0),
        }
    }

    /// A batch is committed and visible.
    pub(crate) fn advance(&self, applied: Applied, entries: u64, digest: Option<Digests>) {
        let index = applied.log_id.map_or(0, |id| id.index);
        if let Some(digest) = digest {
            let mut digests = lock(&self.digests);
            if digests.len() == DIGESTS_KEPT {
                digests.pop_front();
            }
            digests.push_back((index, digest));
        }
        *lock(&self.applied) = applied;
        self.index.send_replace(index);
        if self.unflushed.fetch_add(entries, Ordering::Relaxed) + entries >= self.flush_after {
            self.flush_due.notify_one();
        }
    }

    /// Another state took this one's place.
    pub(crate) fn replace(&self, applied: Applied) {
        lock(&self.digests).clear();
        self.advance(applied, 0, None);
    }

    pub(crate) fn applied(&self) -> Applied {
        lock(&self.applied).clone()
    }

    pub(crate) fn watch_index(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }

    /// The digests remembered, oldest first.
    pub(crate) fn digests(&self) -> Vec<(u64, Digests)> {
        lock(&self.digests).iter().cloned().collect()
    }

    /// The newest remembered digest.
    pub(crate) fn last_digest(&self) -> Option<(u64, Digests)> {
        lock(&self.digests).back().cloned()
    }

    /// A flush begins; returns what will be durable when it is done.
    pub(crate) fn flush_begins(&self) -> Applied {
        self.unflushed.store(0, Ordering::Relaxed);
        self.applied()
    }

    pub(crate) fn flush_done(&self, upto: &Applied) {
        let end = upto.log_id.map_or(0, |id| id.index + 1);
        self.durable_end.fetch_max(end, Ordering::Release);
    }

    /// Whether everything applied is durable.
    pub(crate) fn is_flushed(&self) -> bool {
        self.applied().log_id.is_none_or(|id| self.is_durable(id.index))
    }

    pub(crate) fn is_durable(&self, index: u64) -> bool {
        self.durable_end.load(Ordering::Acquire) > index
    }

    /// The last durable index, 0 if there is none.
    pub(crate) fn durable_index(&self) -> u64 {
        self.durable_end.load(Ordering::Acquire).saturating_sub(1)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section here is a plain assignment or a push.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
