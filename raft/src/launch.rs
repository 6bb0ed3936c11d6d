//! Puts a host together: applier, log, consensus, and the tasks around them.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use net::{NodeId, Transport};
use openraft::{RaftLogReader, async_runtime::WatchReceiver, errors::Fatal, storage::RaftLogStorage};
use storage::Store;
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};

use crate::{
    applier::{Applier, Position, Shares},
    apply_thread::ApplyThread,
    config::Config,
    error::{Fault, FaultLine},
    flusher::Flusher,
    leadership::Heard,
    log::{BegunMark, DiskLog, MemoryLog, Newest},
    machine::Machine,
    membership::step_aside_when_the_disk_stalls,
    network::Peers,
    progress::Progress,
    read_index::{ReadIndex, read_index},
    refetch::{Asking, Copies},
    rounds::{Rounds, rounds},
    service::{Group, GroupService},
    snapshot::Exports,
    snapshot_transfer::Receiver,
    stamp::{Clock, Stamper},
    state_machine::StateMachine,
    submit::PERMIT_BYTES,
    types::{Action, Raft, TypeConfig},
};

/// What a host is made of.
pub(crate) struct Parts {
    pub config: Config,
    pub machine: Box<dyn Machine>,
    pub store: Arc<Store>,
    pub log: LogPlace,
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    /// Whether apply and flushes have threads of their own. In a simulation everything is on the caller's.
    pub in_threads: bool,
}

/// Where the log is kept.
pub(crate) enum LogPlace {
    Directory(PathBuf),
    Memory(MemoryLog),
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogPlace::Directory(dir) => dir.display().fmt(f),
            LogPlace::Memory(_) => f.write_str("memory"),
        }
    }
}

/// The same, open.
#[derive(Clone)]
enum OpenLog {
    Disk(DiskLog),
    Memory(MemoryLog),
}

/// What the handles of a host share.
pub(crate) struct Inner {
    pub config: Config,
    pub raft: Raft,
    pub store: Arc<Store>,
    pub progress: Arc<Progress>,
    pub stamper: Arc<Stamper>,
    pub clock: Arc<dyn Clock>,
    pub fault_line: FaultLine,
    pub rounds: Rounds,
    pub read_index: ReadIndex,
    pub heard: Arc<Heard>,
    /// One permit for each [`PERMIT_BYTES`] of commands that wait.
    pub pending: Semaphore,
    pub transport: Arc<dyn Transport>,
    /// For its size; taken away when the host stops, so that the log can close.
    pub wal: Mutex<Option<DiskLog>>,
}

/// A host that runs on the current runtime.
pub(crate) struct Launched {
    pub inner: Arc<Inner>,
    applier: ApplyThread,
    flusher: Flusher,
    tasks: Vec<JoinHandle<()>>,
    apply_thread: Option<std::thread::JoinHandle<()>>,
}

/// Starts everything on the current runtime.
pub(crate) async fn launch(parts: Parts) -> Result<Launched, Fault> {
    let Parts { config, machine, store, log, transport, clock, in_threads } = parts;
    let openraft_config = Arc::new(config.for_openraft()?);
    let fault_line = FaultLine::new();
    let progress = Arc::new(Progress::new(config.flush_entries));
    let observer = config.observer.clone();

    let flusher = Flusher {
        store: store.clone(),
        progress: progress.clone(),
        observer: observer.clone(),
        off_thread: in_threads,
    };
    let place = log.to_string();
    let log = match log {
        LogPlace::Directory(dir) => {
            let purger = flusher.clone();
            let before_purge = Box::new(move |index| purger.flush_to(index));
            let mark = config.log_mark.as_deref().map(BegunMark);
            if let Some(mark) = &mark {
                mark.demand(&dir)?;
            }
            let is_new = Position::read(&store.view())?.log_id.is_none();
            let newest = match (config.newest_log, is_new) {
                (true, _) => Newest::Always,
                (false, true) => Newest::IfNew,
                (false, false) => Newest::Never,
            };
            let observer = config.observer.clone();
            let log = DiskLog::open(&dir, newest, fault_line.clone(), observer, before_purge)?;
            if let Some(mark) = &mark {
                mark.set(&dir)?;
            }
            OpenLog::Disk(log)
        }
        LogPlace::Memory(log) => OpenLog::Memory(log),
    };
    transport.start().await?;
    if let Some(plan) = &config.refetch {
        let (group, store, transport) = (config.group, &store, &*transport);
        let off_thread = in_threads;
        match log.clone() {
            OpenLog::Disk(log) => Asking { plan, group, store, transport, log, off_thread }.run().await?,
            OpenLog::Memory(log) => Asking { plan, group, store, transport, log, off_thread }.run().await?,
        }
    }
    match log.clone() {
        OpenLog::Disk(log) => fit_each_other(&store, log, &place).await?,
        OpenLog::Memory(log) => fit_each_other(&store, log, &place).await?,
    }
    let supports = config.supports.clone();
    let shares = Shares { store: store.clone(), progress: progress.clone(), observer, supports };
    let skew = config.skew;
    let (applier, stamper) = Applier::open(machine, shares, |last_ms| Stamper::new(skew, last_ms))?;
    // What apply says it has reached must survive, before the log is trimmed to it.
    flusher.flush()?;
    let (applier, apply_thread) = if in_threads {
        let (handle, thread) = ApplyThread::spawn(applier, fault_line.clone())?;
        (handle, Some(thread))
    } else {
        (ApplyThread::inline(applier, fault_line.clone()), None)
    };
    let (exports, running) = (Exports::default(), Arc::new(AtomicBool::new(false)));
    let machine = StateMachine {
        applier: applier.clone(),
        flusher: flusher.clone(),
        exports: exports.clone(),
        fault_line: fault_line.clone(),
        running: running.clone(),
    };

    let peers = Peers {
        transport: transport.clone(),
        node: config.node,
        group: config.group,
        exports: exports.clone(),
        off_thread: in_threads,
    };
    let consensus = |error: Fatal<TypeConfig>| Fault::Consensus(error.to_string());
    let node = config.node;
    let (raft, wal) = match log {
        OpenLog::Disk(wal) => {
            let raft = Raft::new(node, openraft_config, peers, wal.clone(), machine).await;
            (raft.map_err(consensus)?, Some(wal))
        }
        OpenLog::Memory(log) => {
            (Raft::new(node, openraft_config, peers, log, machine).await.map_err(consensus)?, None)
        }
    };

    running.store(true, Ordering::Release);

    let (read_index, serve_reads) = read_index(raft.clone(), config.timings.election_max * 4);
    let (rounds, waiting) = rounds();
    let pending = Semaphore::new(config.max_pending_bytes.div_ceil(PERMIT_BYTES));
    let stall_limit = config.step_aside_after_stall;
    let (period, idle) = (config.flush_every, config.checkpoint_when_idle);
    let abstains_until = begin_voting(&raft, &config).await.map_err(consensus)?;
    let heard = Arc::new(Heard::new());
    transport.serve(
        config.group,
        Arc::new(GroupService(Arc::new(Group {
            raft: raft.clone(),
            read_index: read_index.clone(),
            snapshots: Receiver::new(raft.clone(), store.clone(), config.observer.clone(), in_threads),
            copies: Copies { raft: raft.clone(), store: store.clone(), off_thread: in_threads },
            abstains_until,
            heard: heard.clone(),
        }))),
    );
    let inner = Arc::new(Inner {
        config,
        raft,
        store,
        progress,
        stamper,
        clock,
        fault_line: fault_line.clone(),
        rounds,
        read_index,
        heard,
        pending,
        transport: transport.clone(),
        wal: Mutex::new(wal),
    });
    let mut tasks = vec![
        tokio::spawn(waiting.propose(inner.raft.clone())),
        tokio::spawn(serve_reads),
        tokio::spawn(flusher.clone().run(period, fault_line)),
        tokio::spawn(expire_exports(exports)),
        tokio::spawn(watch_consensus(inner.clone())),
    ];
    if let Some(limit) = stall_limit {
        tasks.push(tokio::spawn(step_aside_when_the_disk_stalls(inner.clone(), limit)));
    }
    if let Some(idle) = idle {
        tasks.push(tokio::spawn(propose_checkpoints(inner.clone(), idle)));
    }
    Ok(Launched { inner, applier, flusher, tasks, apply_thread })
}

impl Launched {
    /// Stops in order: no more input, no more consensus, what is committed applied, the state in its files, the log
    /// closed. Returns the thread of apply, which holds the store and ends with the last task that holds its queue: to be
    /// joined once the runtime is gone.
    pub(crate) async fn stop(self) -> Option<std::thread::JoinHandle<()>> {
        self.end_consensus().await;
        // Whatever was given to apply before is applied when this is.
        let applied = self.applier.run(|_| Ok(())).await;
        self.applier.halt();
        if applied.is_ok()
            && !self.inner.fault_line.is_broken()
            && let Err(fault) = self.flusher.close().await
        {
            self.inner.fault_line.report(&fault);
        }
        self.inner.wal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        self.apply_thread
    }

    /// Stops as a crash does: nothing is applied or made durable any more.
    pub(crate) async fn crash(self) {
        self.applier.halt();
        self.end_consensus().await;
    }

    async fn end_consensus(&self) {
        self.inner.pending.close();
        self.inner.transport.stop().await;
        for task in &self.tasks {
            task.abort();
        }
        if self.inner.raft.shutdown().await.is_err() {
            tracing::warn!("consensus core ended by panic");
        }
    }
}

/// Refuses a state that ends before the log begins: nothing could be applied to it. And a log that remembers nothing under
/// a state that has followed a leader: whoever follows one has voted or noted its vote first, so that log was lost.
async fn fit_each_other(
    store: &Store,
    mut log: impl RaftLogStorage<TypeConfig>,
    place: &str,
) -> Result<(), Fault> {
    let failed = |source| Fault::Log { doing: "reading its bounds", source };
    let bounds = log.get_log_state().await.map_err(failed)?;
    let vote = log.get_log_reader().await.read_vote().await.map_err(failed)?;
    let purged = bounds.last_purged_log_id.map_or(0, |id| id.index);
    let applied = Position::read(&store.view())?.log_id;
    // A state that a new group was founded on is of term 0, and its log is empty.
    let followed = applied.is_some_and(|id| id.leader_id.term > 0);
    if followed && bounds.last_log_id.is_none() && vote.is_none() {
        return Err(Fault::LogLost { path: place.to_owned() });
    }
    let applied = applied.map_or(0, |id| id.index);
    if applied < purged { Err(Fault::StateLost { applied, purged }) } else { Ok(()) }
}

/// Begins to take part in elections, and returns from when on this node votes for others.
///
/// A node that is alone elects itself at once. One with peers may have promised a leader not to vote just before it
/// went down, so it waits for one lease, and does not campaign either.
async fn begin_voting(raft: &Raft, config: &Config) -> Result<Instant, Fatal<TypeConfig>> {
    let now = Instant::now();
    let voters: Vec<NodeId> = raft.voter_ids().collect();
    if voters == [config.node] {
        raft.trigger().elect(false).await?;
    }
    if voters.iter().all(|id| *id == config.node) {
        return Ok(now);
    }
    let until = now + config.timings.election_max;
    raft.runtime_config().elect(false);
    let raft = raft.clone();
    tokio::spawn(async move {
        tokio::time::sleep_until(until).await;
        raft.runtime_config().elect(true);
    });
    Ok(until)
}

/// Lets go of exports that nobody reads.
async fn expire_exports(exports: Exports) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        exports.expire();
    }
}

/// Turns the end of openraft's core into a fault, and tells the transport where the members are.
async fn watch_consensus(inner: Arc<Inner>) {
    let mut metrics = inner.raft.metrics();
    let mut members = None;
    loop {
        let (ended, membership) = {
            let now = metrics.borrow_watched();
            (now.running_state.clone().err(), now.membership_config.clone())
        };
        if members.as_ref() != Some(&membership) {
            // openraft names peers only to those who replicate or campaign; a follower asks the leader for read
            // indices too.
            for (id, node) in membership.nodes().filter(|(id, _)| **id != inner.config.node) {
                inner.transport.know(*id, &node.cluster);
            }
            members = Some(membership);
        }
        if let Some(fatal) = ended {
            inner.fault_line.report(&Fault::Consensus(fatal.to_string()));
            return;
        }
        if metrics.changed().await.is_err() {
            // A host that stops ends this task first, so the core did not end by request.
            inner.fault_line.report(&Fault::Consensus("it ended without a reason".into()));
            return;
        }
    }
}

/// While this node leads and nothing else is proposed, gives all nodes a place to compare digests.
async fn propose_checkpoints(inner: Arc<Inner>, idle: Duration) {
    let mut applied = inner.progress.watch_index();
    // A restarted leader appends entries of its own, which are nothing to compare.
    let mut checkpoint = *applied.borrow_and_update();
    loop {
        match tokio::time::timeout(idle, applied.changed()).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        if *applied.borrow() == checkpoint || !inner.raft.is_leader() {
            continue;
        }
        let deadline = Instant::now() + idle;
        if let Ok(done) = inner.propose(Action::Checkpoint, deadline).await {
            checkpoint = done.index;
        }
    }
}
