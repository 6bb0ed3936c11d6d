//! openraft's view of the applier: committed entries in, outcomes and snapshots out.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{Stream, TryStreamExt};
use openraft::{
    OptionalSend,
    storage::{EntryResponder, RaftStateMachine},
};

use crate::{
    apply_thread::ApplyThread,
    error::FaultLine,
    flusher::Flusher,
    snapshot::{Exports, SnapshotBuilder, SnapshotHandle},
    types::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
};

/// Entries handed to the applier at once; while it works on them the next ones gather.
const MAX_HANDOVER: usize = 1024;

/// The state machine as openraft drives it.
#[derive(Clone)]
pub struct StateMachine {
    pub(crate) applier: ApplyThread,
    pub(crate) flusher: Flusher,
    pub(crate) exports: Exports,
    pub(crate) fault_line: FaultLine,
    /// Whether openraft is up. While it starts it asks for the current snapshot only to learn how far it reaches,
    /// and an export for that would cost every commit.
    pub(crate) running: Arc<AtomicBool>,
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotHandle;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.flusher.progress.applied();
        Ok((applied.log_id, applied.membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut more = true;
        while more {
            let mut work = Vec::new();
            while more && work.len() < MAX_HANDOVER {
                match entries.try_next().await? {
                    Some(item) => work.push(item),
                    None => more = false,
                }
            }
            if !work.is_empty() {
                self.applier.run(move |applier| applier.apply(work)).await?;
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        // The receiver of an export needs the log after it, and openraft trims the log to whatever is built.
        if !force && self.exports.hold_the_log() {
            return None;
        }
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            flusher: self.flusher.clone(),
            exports: self.exports.clone(),
            fault_line: self.fault_line.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotHandle) -> io::Result<()> {
        let received = match snapshot {
            SnapshotHandle::Received(received) => *received,
            SnapshotHandle::Open(open) => {
                let store = self.flusher.store.clone();
                open.copy_into(&store).map_err(|fault| self.fault_line.report(&fault))?
            }
            // What openraft itself was given when it started: this very state.
            SnapshotHandle::Durable => return Ok(()),
        };
        let meta = meta.clone();
        self.exports.forget();
        self.applier.run(move |applier| applier.install(&meta, received)).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let report = |fault| self.fault_line.report(&fault);
        if !self.running.load(Ordering::Acquire) {
            let durable = self.flusher.flush().map_err(report)?;
            return Ok(durable.log_id.map(|log_id| Snapshot {
                meta: SnapshotMeta { last_log_id: Some(log_id), last_membership: durable.membership },
                snapshot: SnapshotHandle::Durable,
            }));
        }
        let open = self.exports.join(&self.flusher.store).map_err(report)?;
        Ok(open.map(|open| Snapshot { meta: open.meta.clone(), snapshot: SnapshotHandle::Open(open) }))
    }
}
