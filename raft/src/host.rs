//! The replicated state machine of this node, as the rest of the node uses it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
    thread::JoinHandle,
};

use net::{NodeId, Transport};
use openraft::errors::{InitializeError, RaftError};
use storage::{Digests, Store, View};
use tokio::sync::{oneshot, watch};

use crate::{
    codec::MAX_TEXT_BYTES,
    config::Config,
    error::{Fault, FaultLine},
    launch::{Inner, Launched, LogPlace, Parts, launch},
    log::MemoryLog,
    machine::Machine,
    stamp::Clock,
    status::Status,
    types::NodeInfo,
};

/// The largest command, in bytes. Imports, trims and expiries go in steps below it.
pub const MAX_COMMAND_BYTES: usize = 256 * 1024;

/// A running member of the group. Clones share it; when the last one is dropped it stops.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
    lifecycle: Arc<Mutex<Option<Lifecycle>>>,
}

/// How a host is stopped.
enum Lifecycle {
    /// It runs on a thread of its own, which ends when told to.
    Thread { stop: oneshot::Sender<()>, thread: JoinHandle<()> },
    /// It runs where it was started.
    Here(Box<Launched>),
}

impl Host {
    /// Opens the log in `wal_dir` and the state in `store`, replays what the state lacks, and serves `transport`.
    /// Consensus and transport run on a thread of their own, apply on another.
    ///
    /// A new directory waits for [`Host::bootstrap`], or to be added by a leader.
    ///
    /// # Errors
    /// Any [`Fault`]: an unreadable or locked log, a failing disk, contradictory settings.
    pub async fn start(
        config: Config,
        machine: impl Machine,
        store: Arc<Store>,
        wal_dir: impl AsRef<Path>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Host, Fault> {
        let parts = Parts {
            config,
            machine: Box::new(machine),
            store,
            log: LogPlace::Directory(wal_dir.as_ref().to_path_buf()),
            transport,
            clock,
            in_threads: true,
        };
        let (ready, launched) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("raft".into())
            .spawn(move || run_thread(parts, ready, stopped))
            .map_err(|_| Fault::Thread("raft"))?;
        let inner = launched.await.unwrap_or(Err(Fault::Thread("raft")))?;
        let lifecycle = Arc::new(Mutex::new(Some(Lifecycle::Thread { stop, thread })));
        Ok(Host { inner, lifecycle })
    }

    /// The same for a simulation: a log in memory, and everything on the caller's runtime and thread, for a
    /// paused clock and [`crate::seed_this_thread`].
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_simulated(
        config: Config,
        machine: impl Machine,
        store: Arc<Store>,
        log: MemoryLog,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Host, Fault> {
        let (machine, log) = (Box::new(machine), LogPlace::Memory(log));
        let launched =
            launch(Parts { config, machine, store, log, transport, clock, in_threads: false }).await?;
        let inner = launched.inner.clone();
        let lifecycle = Arc::new(Mutex::new(Some(Lifecycle::Here(Box::new(launched)))));
        Ok(Host { inner, lifecycle })
    }

    /// Begins a cluster with this node as its only voter. Returns whether it did: a node whose log already has a
    /// cluster is left as it is.
    ///
    /// # Errors
    /// [`Fault`] if the node cannot go on, or if a text of `node` is longer than 1 KiB.
    pub async fn bootstrap(&self, node: NodeInfo) -> Result<bool, Fault> {
        check_node(&node)?;
        let members = BTreeMap::from([(self.inner.config.node, node)]);
        match self.inner.raft.initialize(members).await {
            Ok(()) => Ok(true),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(false),
            Err(error) => Err(Fault::Consensus(error.to_string())),
        }
    }

    /// One consistent moment of this node's state, for one bounded query. See [`View`] for how long to keep it.
    pub fn view(&self) -> View<'_> {
        self.inner.store.view()
    }

    /// This node's id.
    pub fn node(&self) -> NodeId {
        self.inner.config.node
    }

    /// The rules by which commands are applied now.
    pub fn active_version(&self) -> u32 {
        self.inner.progress.active_version.load(Ordering::Relaxed)
    }

    /// The index up to which this node has applied, as it grows.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.inner.progress.watch_index()
    }

    /// The digests at the last checkpoints and indices divisible by 1,024, at most 64, oldest first.
    pub fn digests(&self) -> Vec<(u64, Digests)> {
        self.inner.progress.digests()
    }

    /// Where this node and, as far as it knows, its cluster stand.
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// The first fault, once there is one: the node must stop then.
    pub fn faulted(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.inner.fault_line.watch()
    }

    /// The operator confirms that this node's clock is right, however far it is ahead of the log.
    pub fn confirm_clock(&self) {
        self.inner.stamper.confirm();
    }

    /// Stops: a leader hands over if somebody is there to take it (within a second); then no more commands, the
    /// state made durable, the log closed and its lock released. Later calls return at once.
    pub async fn shutdown(&self) {
        let lifecycle = self.take_lifecycle();
        if lifecycle.is_some() {
            self.inner.hand_over_before_stopping().await;
        }
        match lifecycle {
            None => {}
            Some(Lifecycle::Here(launched)) => drop(launched.stop().await),
            Some(Lifecycle::Thread { stop, thread }) => {
                let _ = stop.send(());
                // The thread ends by itself from here on; a panic in it is already reported as a fault.
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
        }
    }

    /// Ends a simulated host as a crash does: nothing more is applied or made durable. Crash the disks under its log
    /// and its store after this returns.
    pub async fn crash(&self) {
        match self.take_lifecycle() {
            Some(Lifecycle::Here(launched)) => launched.crash().await,
            Some(Lifecycle::Thread { .. }) | None => {}
        }
    }

    fn take_lifecycle(&self) -> Option<Lifecycle> {
        self.lifecycle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

/// The texts of a [`NodeInfo`] are bounded, because every node keeps every one of them.
pub(crate) fn check_node(node: &NodeInfo) -> Result<(), Fault> {
    for (what, text) in
        [("name", &node.name), ("cluster", &node.cluster), ("http", &node.http), ("zone", &node.zone)]
    {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Fault::Settings(format!("{what} is longer than {MAX_TEXT_BYTES} bytes")));
        }
    }
    Ok(())
}

/// A panic on the raft thread ends every task there, the one that watches for faults too.
struct TellOfPanic(FaultLine);

impl Drop for TellOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.report(&Fault::Thread("raft"));
        }
    }
}

fn run_thread(
    parts: Parts,
    ready: oneshot::Sender<Result<Arc<Inner>, Fault>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(_) => {
            let _ = ready.send(Err(Fault::Thread("raft")));
            return;
        }
    };
    let apply_thread = runtime.block_on(async move {
        match launch(parts).await {
            Err(fault) => {
                let _ = ready.send(Err(fault));
                None
            }
            Ok(launched) => {
                let _told = TellOfPanic(launched.inner.fault_line.clone());
                if ready.send(Ok(launched.inner.clone())).is_ok() {
                    // An error means that the last host handle is gone, which is as good a reason to stop.
                    let _ = stopped.await;
                }
                launched.stop().await
            }
        }
    });
    // Drops every task, and with the last of them the log and its lock, and the queue of apply.
    drop(runtime);
    // Its panic is reported already. Whoever opens the same state next must not find it in use.
    let _ = apply_thread.map(JoinHandle::join);
}
