//! Turns committed entries into state. It owns the machine and is the one writer of the store.

use std::{
    ops::RangeInclusive,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use openraft::{EntryPayload, storage::ApplyResponder};
use storage::{Digests, Read, Received, Scope, Store, Txn, View};

use crate::{
    codec,
    error::Fault,
    machine::{Entry, Machine},
    observer::Observer,
    progress::{Applied, Progress},
    stamp::Stamper,
    tables::{
        AppliedRecord, LastApplied, LastStamp, Members, MembersRecord, Settings, SettingsRecord, StampRecord,
        active_version,
    },
    types::{
        Action, Command, LeaderId, LogId, Outcome, RaftEntry, SnapshotMeta, StoredMembership, TypeConfig,
    },
};

/// A run ends at every index divisible by this, so that all nodes know their digest at the same places.
const DIGEST_EVERY: u64 = 1024;

/// The most entries in one batch. A command changes at most 1,000 keys; this bounds the overlay in memory.
const MAX_RUN_ENTRIES: usize = 256;

/// An entry and whoever waits for its outcome.
pub(crate) type Work = (RaftEntry, Option<ApplyResponder<TypeConfig>>);

pub(crate) struct Applier {
    machine: Box<dyn Machine>,
    store: Arc<Store>,
    progress: Arc<Progress>,
    stamper: Arc<Stamper>,
    observer: Arc<dyn Observer>,
    /// By which rules the machine can compute.
    supports: RangeInclusive<u32>,
    at: Position,
}

/// What the records of [`crate::tables`] say, kept in memory between runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    pub log_id: Option<LogId>,
    pub membership: StoredMembership,
    now_ms: u64,
    active_version: u32,
}

impl Position {
    pub(crate) fn read(view: &View<'_>) -> Result<Position, Fault> {
        let log_id = view
            .get::<LastApplied>(&())?
            .map(|record| LogId::new(LeaderId { term: record.term, node_id: record.leader }, record.index));
        let membership = match view.get::<Members>(&())? {
            Some(record) => codec::decode_stored_membership(Bytes::from(record.stored))?,
            None => StoredMembership::default(),
        };
        Ok(Position {
            log_id,
            membership,
            now_ms: view.get::<LastStamp>(&())?.map_or(0, |record| record.now_ms),
            active_version: active_version(view)?,
        })
    }

    /// Writes what differs from `before`.
    fn write(&self, before: &Position, txn: &mut Txn<'_>) -> Result<(), Fault> {
        if let Some(id) = &self.log_id {
            put_log_id(txn, id)?;
        }
        if self.membership != before.membership {
            put_members(txn, &self.membership)?;
        }
        if self.now_ms != before.now_ms {
            txn.put::<LastStamp>(&(), &StampRecord { now_ms: self.now_ms })?;
        }
        if self.active_version != before.active_version {
            txn.put::<Settings>(&(), &SettingsRecord { active_version: self.active_version })?;
        }
        Ok(())
    }

    fn applied(&self) -> Applied {
        Applied { log_id: self.log_id, membership: self.membership.clone() }
    }
}

fn put_log_id(txn: &mut Txn<'_>, id: &LogId) -> Result<(), storage::Fault> {
    let (term, leader) = (id.leader_id.term, id.leader_id.node_id);
    txn.put::<LastApplied>(&(), &AppliedRecord { term, leader, index: id.index })
}

fn put_members(txn: &mut Txn<'_>, membership: &StoredMembership) -> Result<(), storage::Fault> {
    let stored = codec::encode_stored_membership(membership).to_vec();
    txn.put::<Members>(&(), &MembersRecord { stored })
}

/// Where a copy stands: the local records that belong to it.
pub(crate) fn write_position(
    txn: &mut Txn<'_>,
    id: &LogId,
    members: &StoredMembership,
) -> Result<(), storage::Fault> {
    put_log_id(txn, id)?;
    put_members(txn, members)
}

/// What the applier shares with the rest of the host.
pub(crate) struct Shares {
    pub store: Arc<Store>,
    pub progress: Arc<Progress>,
    pub observer: Arc<dyn Observer>,
    pub supports: RangeInclusive<u32>,
}

impl Applier {
    /// Reads where the state stands and publishes it. Returns also the last stamp's judge.
    pub(crate) fn open(
        machine: Box<dyn Machine>,
        shares: Shares,
        stamper: impl FnOnce(u64) -> Stamper,
    ) -> Result<(Applier, Arc<Stamper>), Fault> {
        let Shares { store, progress, observer, supports } = shares;
        let at = Position::read(&store.view())?;
        check_rules(at.active_version, &supports)?;
        let stamper = Arc::new(stamper(at.now_ms));
        let applier = Applier { machine, store, progress, stamper: stamper.clone(), observer, supports, at };
        applier.publish_rules();
        applier.progress.replace(applier.at.applied());
        Ok((applier, stamper))
    }

    /// Applies entries that follow on what was applied before, in as few batches as the rules allow.
    pub(crate) fn apply(&mut self, work: Vec<Work>) -> Result<(), Fault> {
        let mut run = Vec::with_capacity(work.len().min(MAX_RUN_ENTRIES));
        for item in work {
            let digest = ends_run(&item.0);
            run.push(item);
            if digest || run.len() == MAX_RUN_ENTRIES {
                self.apply_run(std::mem::take(&mut run), digest)?;
            }
        }
        if run.is_empty() { Ok(()) } else { self.apply_run(run, false) }
    }

    /// Puts a copy of a peer's state in the place of this one. It is durable when this returns.
    pub(crate) fn install(&mut self, meta: &SnapshotMeta, received: Received) -> Result<(), Fault> {
        self.store.install(received, |txn| {
            if let Some(id) = &meta.last_log_id {
                put_log_id(txn, id)?;
            }
            put_members(txn, &meta.last_membership)
        })?;
        self.at = Position::read(&self.store.view())?;
        check_rules(self.at.active_version, &self.supports)?;
        self.machine.restored(self.at.log_id.map_or(0, |id| id.index));
        self.stamper.observe(self.at.now_ms);
        self.publish_rules();
        self.progress.replace(self.at.applied());
        self.progress.flush_done(&self.at.applied());
        Ok(())
    }

    fn apply_run(&mut self, run: Vec<Work>, digest: bool) -> Result<(), Fault> {
        let started = Instant::now();
        let entries = run.len() as u64;
        let store = self.store.clone();
        let before = self.at.clone();
        let mut txn = store.begin();
        let mut answers = Vec::with_capacity(run.len());
        for (entry, responder) in run {
            let outcome = self.apply_entry(&mut txn, entry)?;
            answers.extend(responder.map(|responder| (responder, outcome)));
        }
        txn.set_scope(Scope::NODE);
        self.at.write(&before, &mut txn)?;
        store.commit(txn)?;
        self.observer.applied(entries, started.elapsed());
        self.publish(entries, digest.then(|| store.digest()));
        for (responder, outcome) in answers {
            responder.send(outcome);
        }
        Ok(())
    }

    fn apply_entry(&mut self, txn: &mut Txn<'_>, entry: RaftEntry) -> Result<Outcome, Fault> {
        self.at.log_id = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Ok(Outcome::default()),
            EntryPayload::Membership(membership) => {
                self.at.membership = StoredMembership::new(Some(entry.log_id), membership);
                Ok(Outcome::default())
            }
            EntryPayload::Normal(command) => self.apply_command(txn, entry.log_id, command),
        }
    }

    fn apply_command(&mut self, txn: &mut Txn<'_>, id: LogId, command: Command) -> Result<Outcome, Fault> {
        let Command { stamp, action } = command;
        self.at.now_ms = self.at.now_ms.max(stamp.now_ms);
        match action {
            Action::Checkpoint => Ok(Outcome::default()),
            Action::Apply(payload) => {
                let entry = Entry {
                    index: id.index,
                    term: id.leader_id.term,
                    now_ms: self.at.now_ms,
                    seed: stamp.seed,
                    active_version: self.at.active_version,
                    payload: &payload,
                };
                txn.begin();
                let outcome = self.machine.apply(txn, &entry)?;
                if let Some(raised) = self.machine.raised() {
                    check_rules(raised, &self.supports)?;
                    self.at.active_version = raised;
                }
                txn.keep();
                Ok(Outcome(outcome.into()))
            }
        }
    }

    /// Tells the machine, then everybody, that the batch is visible.
    fn publish(&mut self, entries: u64, digest: Option<Digests>) {
        self.machine.committed(self.at.log_id.map_or(0, |id| id.index));
        self.stamper.observe(self.at.now_ms);
        self.publish_rules();
        self.progress.advance(self.at.applied(), entries, digest);
    }

    fn publish_rules(&self) {
        self.progress.last_stamp_ms.store(self.at.now_ms, Ordering::Relaxed);
        self.progress.active_version.store(self.at.active_version, Ordering::Relaxed);
    }
}

/// Rules that this program does not know must not be guessed at.
fn check_rules(active: u32, supports: &RangeInclusive<u32>) -> Result<(), Fault> {
    if supports.contains(&active) {
        return Ok(());
    }
    Err(Fault::ActiveVersion { active, least: *supports.start(), most: *supports.end() })
}

/// Whether every node must end its run here.
fn ends_run(entry: &RaftEntry) -> bool {
    entry.log_id.index.is_multiple_of(DIGEST_EVERY)
        || matches!(&entry.payload, EntryPayload::Normal(Command { action: Action::Checkpoint, .. }))
}
