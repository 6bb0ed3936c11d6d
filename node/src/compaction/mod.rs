//! Compaction: gives the state new, small files when the ones in use have outgrown what is in them, or have each record by itself
//! and could have blocks of them.
//!
//! It owns when, and whose turn it is: one node of a cluster at a time, under a lease in the state, and the leader last, after it
//! has handed over the lead. How is storage's ([`Store::rebuild`](storage::Store::rebuild)): commits and reads go on, and a crash in
//! the middle leaves the files that are in use. It never begins while somebody reads a copy of the state, nor without room for two; but for
//! a small state that comes into blocks, which takes no time.

mod measure;
mod space;
mod stopped;
mod turn;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use raft::Role;
use storage::{Fault, Rebuilt, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::measure::{Counted, Limits};
use self::turn::Turn;
use crate::config::Storage as Settings;
use crate::leisure::rest_after;
use crate::level::allow_blocks;
use crate::replica::Replica;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::CompactionEnd;

pub use self::stopped::compact;

/// How often a node looks that was asked and could not begin, or that waits until records may come into blocks.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// So often a leader looks before it takes its turn: the followers are to be first.
const LEADER_LOOKS: u32 = 3;
/// A state in files up to this size is brought into blocks at once: nobody notices.
const SMALL_BYTES: u64 = 8 << 20;
/// How long handing over the lead may take.
const HAND_OVER: Duration = Duration::from_secs(5);

/// What compaction needs of its node.
#[derive(Debug, Clone)]
pub struct Parts {
    pub replica: Replica,
    pub node: u64,
    pub settings: Settings,
    pub metrics: Metrics,
    /// Where the state's files are.
    pub directory: PathBuf,
}

/// Remembers that somebody asked. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Compactor(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    is_asked: AtomicBool,
    bell: Notify,
}

/// What one node remembers from look to look; a restart begins anew.
#[derive(Debug, Default)]
struct Memory {
    counted: Option<Counted>,
    /// Looks in a row at which this node led and would have begun.
    as_leader: u32,
    /// The records could come into blocks, and it was looked whether they can now: from then on that has no hurry.
    has_tried_blocks: bool,
    /// What kept it the last time, so that only news are told.
    told: Option<String>,
}

/// What came of one look.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing is to be done, or it is done.
    Done,
    /// It should be done and cannot be now; this says why.
    Later(String),
}

impl Compactor {
    /// Asks for a compaction whatever the files' size: it begins when it is this node's turn. Forgotten when the node stops.
    pub fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
        self.0.bell.notify_one();
    }

    /// Looks again and again until `stop`.
    ///
    /// # Errors
    /// A fault of this node's state, which must end the node.
    pub async fn run(&self, parts: &Parts, stop: &CancellationToken) -> Result<(), Fault> {
        let interval = Duration::from_secs(parts.settings.compact_interval_s);
        let mut memory = Memory::default();
        loop {
            let pause = if self.is_asked() { interval.min(ASKED_EVERY) } else { interval };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
                () = self.0.bell.notified() => {}
                () = may_have_blocks(parts), if !memory.has_tried_blocks => memory.has_tried_blocks = true,
            }
            Turn::tidy(parts).await;
            match self.look(parts, &mut memory, stop).await? {
                Look::Done => memory.told = None,
                Look::Later(why) => {
                    if memory.told.as_ref() != Some(&why) {
                        info!(why, "the state's files are not made smaller yet");
                    }
                    memory.told = Some(why);
                }
            }
        }
    }

    fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Relaxed)
    }

    async fn look(
        &self,
        parts: &Parts,
        memory: &mut Memory,
        stop: &CancellationToken,
    ) -> Result<Look, Fault> {
        let is_asked = self.is_asked();
        if is_small_and_wants_blocks(parts).await? {
            return bring_into_blocks(parts, stop).await;
        }
        let Some(counted) = measured(parts, memory, is_asked, stop).await? else { return Ok(Look::Done) };
        let lacks = space::lacking(&parts.directory, counted);
        parts.metrics.storage.compaction_lacks_space(lacks.is_some());
        if let Some(lacks) = lacks {
            warn!(%lacks, "the state's files are not made smaller: the disk has no room for the new ones");
            return Ok(Look::Later(lacks));
        }
        if let Some(why) = hindrance(parts, memory, is_asked) {
            return Ok(Look::Later(why));
        }
        let turn = match Turn::take(parts).await {
            Ok(turn) => turn,
            Err(why) => return Ok(Look::Later(why)),
        };
        let look = self.in_turn(parts, memory, stop).await;
        turn.give_back(parts).await;
        look
    }

    /// What this node does when no other does it.
    async fn in_turn(
        &self,
        parts: &Parts,
        memory: &mut Memory,
        stop: &CancellationToken,
    ) -> Result<Look, Fault> {
        if let Err(why) = lead_no_more(parts).await {
            return Ok(Look::Later(why));
        }
        let began = Instant::now();
        info!("the state gets new files");
        parts.metrics.storage.compacting(true);
        let rebuilt = rebuild(parts.replica.store.clone(), stop.clone()).await;
        parts.metrics.storage.compacting(false);
        let took = began.elapsed();
        match rebuilt {
            Ok(rebuilt) => {
                self.0.is_asked.store(false, Ordering::Relaxed);
                memory.counted = Some(Counted::rebuilt(&rebuilt));
                parts.metrics.storage.live(rebuilt.bytes);
                parts.metrics.storage.compacted(CompactionEnd::Done, took);
                info!(
                    records = rebuilt.records,
                    live_bytes = rebuilt.bytes,
                    bytes_before = rebuilt.size_before,
                    bytes_after = rebuilt.size_after,
                    took_ms = took.as_millis() as u64,
                    commits_waited_us = rebuilt.paused.as_micros() as u64,
                    "the state has new files"
                );
                Ok(Look::Done)
            }
            Err(fault) if is_harmless(&fault) => {
                parts.metrics.storage.compacted(CompactionEnd::GaveUp, took);
                if let Fault::NotRebuilt { .. } = fault {
                    error!(%fault, code = fault.code(), "new files of the state could not be written");
                }
                Ok(Look::Later(fault.to_string()))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Returns when the records could come into blocks and are not there.
async fn may_have_blocks(parts: &Parts) {
    loop {
        allow_blocks(&parts.replica.store, parts.replica.host.active_version());
        if parts.replica.store.wants_blocks() {
            return;
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

async fn is_small_and_wants_blocks(parts: &Parts) -> Result<bool, Fault> {
    let store = parts.replica.store.clone();
    if !store.wants_blocks() || is_out_of_service(parts) {
        return Ok(false);
    }
    Ok(blocking(move || store.size_bytes()).await? <= SMALL_BYTES)
}

/// Without a turn: nobody notices, and whoever reads a copy keeps the files that it reads.
async fn bring_into_blocks(parts: &Parts, stop: &CancellationToken) -> Result<Look, Fault> {
    match rebuild(parts.replica.store.clone(), stop.clone()).await {
        Ok(rebuilt) => {
            info!(records = rebuilt.records, "the state has its records in blocks from now on");
            Ok(Look::Done)
        }
        Err(fault) if is_harmless(&fault) => Ok(Look::Later(fault.to_string())),
        Err(fault) => Err(fault),
    }
}

/// What there is and what it takes, if that calls for new files. Counting walks over everything, so it is done when what was
/// counted last no longer says enough.
async fn measured(
    parts: &Parts,
    memory: &mut Memory,
    is_asked: bool,
    stop: &CancellationToken,
) -> Result<Option<Counted>, Fault> {
    let limits = Limits::of(&parts.settings);
    let store = parts.replica.store.clone();
    let is_asked = is_asked || limits.allow_any() && store.wants_blocks();
    let (files, records) = blocking(move || Ok((store.size_bytes()?, store.digest().count()))).await?;
    if !is_asked && !limits.may_matter(files) {
        return Ok(None);
    }
    let counted = match memory.counted {
        Some(counted) if !limits.must_count(&counted, files, records) => counted.with_files(files),
        before => {
            let (store, stop) = (parts.replica.store.clone(), stop.clone());
            let live = blocking(move || store.live_bytes(|took| rest(took, &stop))).await;
            let live = match live {
                Err(fault) if is_harmless(&fault) => return Ok(None),
                live => live?,
            };
            parts.metrics.storage.live(live);
            debug!(files_bytes = files, live_bytes = live, "counted what is in the state's files");
            let counted = Counted::now(live, records, files, before);
            memory.counted = Some(counted);
            counted
        }
    };
    Ok((is_asked || limits.are_outgrown(&counted, files)).then_some(counted))
}

/// Why this is no moment to begin.
fn hindrance(parts: &Parts, memory: &mut Memory, is_asked: bool) -> Option<String> {
    let host = &parts.replica.host;
    if is_out_of_service(parts) {
        return Some("this node is out of service".to_owned());
    }
    if !host.is_in_touch() {
        return Some("this node has not heard from the cluster".to_owned());
    }
    if parts.replica.store.open_exports() > 0 {
        return Some("a copy of the state is being read".to_owned());
    }
    if !leads_others(parts) {
        memory.as_leader = 0;
        return None;
    }
    memory.as_leader += 1;
    (!is_asked && memory.as_leader <= LEADER_LOOKS)
        .then(|| "this node leads: the others are first".to_owned())
}

fn is_out_of_service(parts: &Parts) -> bool {
    parts.replica.fence.reason().is_some() || parts.replica.host.faulted().borrow().is_some()
}

/// Whether this node leads, and another could.
fn leads_others(parts: &Parts) -> bool {
    let status = parts.replica.host.status();
    status.role == Role::Leader && status.members.iter().any(|member| member.voter && member.id != parts.node)
}

/// Hands over the lead if there is somebody to take it; `Err` says why it did not come to that.
async fn lead_no_more(parts: &Parts) -> Result<(), String> {
    if !leads_others(parts) {
        return Ok(());
    }
    let deadline = Instant::now() + HAND_OVER;
    match parts.replica.host.hand_over(deadline.into()).await {
        Ok(leader) => {
            info!(leader, "handed over the lead before the state gets new files");
            Ok(())
        }
        Err(error) => Err(format!("this node leads, and the lead was not handed over: {error}")),
    }
}

async fn rebuild(store: Arc<Store>, stop: CancellationToken) -> Result<Rebuilt, Fault> {
    blocking(move || store.rebuild(|took| rest(took, &stop))).await
}

/// Off the async threads. A panic leaves the files in use as they are: the new ones are given up.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Fault::NotRebuilt { detail: error.to_string() }))
}

/// Leaves the disk to others for a while.
pub(crate) fn rest(took: Duration, stop: &CancellationToken) -> ControlFlow<()> {
    std::thread::sleep(rest_after(took));
    if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Whether everything is as it was.
pub(crate) fn is_harmless(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::BrokenOff
            | Fault::ExportLost { .. }
            | Fault::NotRebuilt { .. }
            | Fault::Superseded
            | Fault::TooManyExports { .. }
            | Fault::NoHome
    )
}

#[cfg(test)]
mod tests;
