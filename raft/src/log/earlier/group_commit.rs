//! One fsync for everybody who waits.
//!
//! raft-log's flush worker, told not to linger, syncs once per request. So requests are held back here while a
//! sync is under way, and whoever gathered meanwhile shares the next one: a lone writer waits for nothing, and
//! sixty-four writers cost two or three syncs, not sixty-four.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, Weak, mpsc},
    time::Instant,
};

use openraft::storage::IOFlushed;

use super::wal::Shared;
use crate::{
    error::{Fault, FaultLine},
    observer::Observer,
    types::TypeConfig,
};

/// An append that waits for stable storage.
pub(super) struct Waiter {
    pub flushed: IOFlushed<TypeConfig>,
    pub entries: u64,
    pub bytes: u64,
    pub since: Instant,
}

/// Appends whose entries are written, and that one sync makes durable.
pub(super) type Group = Vec<Waiter>;

/// Who waits, and whether a sync is under way.
pub(super) struct GroupCommit {
    state: Mutex<State>,
    starter: mpsc::Sender<Group>,
    fault_line: FaultLine,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct State {
    syncing: bool,
    waiting: Group,
}

impl GroupCommit {
    /// The second half goes to [`start_syncs`].
    pub(super) fn new(
        fault_line: FaultLine,
        observer: Arc<dyn Observer>,
    ) -> (Arc<GroupCommit>, mpsc::Receiver<Group>) {
        let (starter, starts) = mpsc::channel();
        let state = Mutex::default();
        (Arc::new(GroupCommit { state, starter, fault_line, observer }), starts)
    }

    /// Adds a waiter whose entries are already in the log's buffer. Returns the group to sync now, if no sync is
    /// under way.
    pub(super) fn join(&self, waiter: Waiter) -> Option<Group> {
        let mut state = self.lock();
        state.waiting.push(waiter);
        if state.syncing {
            return None;
        }
        state.syncing = true;
        Some(std::mem::take(&mut state.waiting))
    }

    /// A sync ended: starts the next one, if somebody gathered meanwhile.
    fn start_next(&self) {
        let next = {
            let mut state = self.lock();
            state.syncing = !state.waiting.is_empty();
            std::mem::take(&mut state.waiting)
        };
        if !next.is_empty()
            && let Err(mpsc::SendError(group)) = self.starter.send(next)
        {
            self.complete(group, Err(io::Error::other("the log is closed")));
        }
    }

    /// Tells a group how its sync went.
    pub(super) fn complete(&self, group: Group, result: io::Result<()>) {
        let failed = result.err().map(|source| {
            self.fault_line.report(&Fault::Log { doing: "making an append durable", source }).to_string()
        });
        for waiter in group {
            match &failed {
                None => {
                    self.observer.durable(waiter.entries, waiter.bytes, waiter.since.elapsed());
                    waiter.flushed.io_completed(Ok(()));
                }
                Some(text) => waiter.flushed.io_completed(Err(io::Error::other(text.clone()))),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A flag and a list, changed without a panic in between.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Starts one sync after another until the log is closed. It has a thread of its own because raft-log's flush
/// thread must neither wait for room in its own queue nor be the one that drops the log, which joins it.
pub(super) fn start_syncs(shared: &Weak<Shared>, commit: &Weak<GroupCommit>, starts: &mpsc::Receiver<Group>) {
    for group in starts {
        match (shared.upgrade(), commit.upgrade()) {
            (Some(shared), _) => shared.sync(group),
            (None, Some(commit)) => commit.complete(group, Err(io::Error::other("the log is closed"))),
            (None, None) => return,
        }
    }
}

/// What raft-log calls when a flush is done, on its flush thread.
pub(super) enum Done {
    Group { commit: Arc<GroupCommit>, group: Group },
    Vote(tokio::sync::oneshot::Sender<io::Result<()>>),
}

impl raft_log::Callback for Done {
    fn send(mut self, result: io::Result<()>) {
        match &mut self {
            Done::Vote(_) => {
                if let Done::Vote(reply) = self {
                    // A receiver that is gone no longer wants to vote.
                    let _ = reply.send(result);
                }
            }
            Done::Group { commit, group } => {
                // The next sync starts before this one's waiters are told, so that the disk does not idle.
                commit.start_next();
                let (commit, group) = (commit.clone(), std::mem::take(group));
                commit.complete(group, result);
            }
        }
    }
}
