//! This node's replica of the shop: the engine, the state over it, and the log that changes it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use net::Transport;
use raft::{Host, NodeInfo, Role, Timings};
use shop::{LEVELS, cluster};
use storage::{Scope, Store};

use crate::auth::Known;
use crate::clock::SystemClock;
use crate::config::{Config, Http, RaftProfile};
use crate::data_dir::{DataDir, DataDirError, size_bytes};
use crate::fence::Fence;
use crate::identity::Identity;
use crate::level;
use crate::machine::{AppliedHook, ShopMachine};
use crate::peers::{Peers, Program};
use crate::proposer::Proposer;
use crate::rejoin;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::RaftSample;

/// Why a replica cannot be opened or cannot go on. Always local and always fatal to the process.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    #[error("{source} [{}]", source.code())]
    Storage {
        #[from]
        source: storage::Fault,
    },
    #[error("{source} [{}]", source.code())]
    Raft {
        #[from]
        source: raft::Fault,
    },
    #[error("{0} [active_version_unsupported]")]
    Level(#[from] level::Unsupported),
    #[error("this node cannot come back: {0}")]
    Rejoin(String),
    #[error(transparent)]
    Directory(#[from] DataDirError),
    #[error("this node did not become ready within {} s: {why}", after.as_secs())]
    NotReady { after: Duration, why: String },
}

impl ReplicaError {
    /// Whether the log, with this node's vote in it, is lost: nothing mends that.
    pub fn is_log_lost(&self) -> bool {
        matches!(self, ReplicaError::Raft { source: raft::Fault::LogLost { .. } })
    }

    /// Whether the files of the state are damaged or lost: a copy from the others mends that.
    pub fn is_damage(&self) -> bool {
        const DAMAGE: [&str; 5] = [
            "storage_corrupt",
            "storage_engine",
            "storage_digest_mismatch",
            "raft_state_lost",
            "raft_thread_ended",
        ];
        match self {
            ReplicaError::Storage { source } => DAMAGE.contains(&source.code()),
            ReplicaError::Raft { source } => DAMAGE.contains(&source.code()),
            _ => false,
        }
    }
}

/// Cheap to clone; all clones are the same replica.
#[derive(Clone)]
pub struct Replica {
    pub host: Host,
    pub store: Arc<Store>,
    pub hook: AppliedHook,
    pub peers: Peers,
    /// Who is known to call: forgotten by the commit that changes it.
    pub known: Arc<Known>,
    pub proposer: Proposer,
    state_directory: PathBuf,
    /// Whether its state is wrong: a majority of voters has another, or its records are damaged.
    pub fence: Fence,
    /// Whether this start took a copy of the state from the leader.
    pub took_copy: bool,
    /// The index that has to be applied before this replica serves, once it is known.
    caught_up_at: Arc<OnceLock<u64>>,
}

impl Replica {
    /// Opens state and log, replays what the state lacks, and speaks with other replicas over `transport`.
    ///
    /// # Errors
    /// Any fault of storage or log.
    pub async fn open(
        config: &Config,
        identity: &Identity,
        directory: &DataDir,
        transport: Arc<dyn Transport>,
        clock: SystemClock,
        metrics: &Metrics,
    ) -> Result<Replica, ReplicaError> {
        let (state_directory, cache_bytes) = (directory.state(), config.storage.cache_mb * 1024 * 1024);
        let store = tokio::task::spawn_blocking({
            let state_directory = state_directory.clone();
            move || Store::open_dir(&state_directory, cache_bytes)
        });
        let store = Arc::new(store.await.map_err(|_| raft::Fault::Thread("opening"))??);
        // Before anybody can come in; those whose removal is still to be applied here follow as it is.
        for removed in removed_nodes(&store)? {
            transport.refuse(removed);
        }
        let hook = AppliedHook::default();
        let known: Arc<Known> = Arc::default();
        let machine = ShopMachine::new(hook.clone(), known.clone(), metrics.clone());
        // The state that is there, also if a copy takes its place.
        let active = raft::active_version(&store.view())?;
        let settings = raft::Config {
            timings: timings(config.raft.profile),
            newest_log: level::allows_newest_log(active),
            observer: Arc::new(metrics.clone()),
            supports: LEVELS.least..=LEVELS.most,
            log_mark: Some(directory.log_mark()),
            refetch: rejoin::pending(directory.root())
                .map_err(|error| ReplicaError::Rejoin(format!("{error:#}")))?,
            ..raft::Config::new(identity.node, &config.cluster.name)
        };
        let took_copy = settings.refetch.is_some();
        if !took_copy {
            // The log's host looks again, also at a copy. Here the state can say which program is needed.
            level::check(&store, LEVELS)??;
        }
        level::allow_blocks(&store, active);
        let host = Host::start(
            settings,
            machine,
            store.clone(),
            directory.wal(),
            transport.clone(),
            Arc::new(clock),
        )
        .await?;
        if took_copy {
            rejoin::done(directory.root())?;
        }
        let program = Program::current(clock.now_ms());
        let (fence, caught_up_at) = (Fence::default(), Arc::default());
        let peers = Peers::new(host.clone(), transport, program, clock, fence.clone());
        let proposer = Proposer::new(host.clone(), peers.clone(), clock, metrics.clone());
        Ok(Replica {
            host,
            store,
            hook,
            peers,
            known,
            proposer,
            state_directory,
            fence,
            took_copy,
            caught_up_at,
        })
    }

    /// Makes this node the only voter of a new cluster. A node that is in one stays in it.
    ///
    /// # Errors
    /// Any fault of the log.
    pub async fn bootstrap(&self, node: NodeInfo) -> Result<(), ReplicaError> {
        self.host.bootstrap(node).await?;
        Ok(())
    }

    /// Why this replica cannot serve right now; nothing when it can.
    pub fn unready(&self) -> Vec<String> {
        let status = self.host.status();
        let mut reasons = Vec::new();
        if let Some(fault) = self.host.faulted().borrow().as_ref() {
            reasons.push(format!("storage failed: {fault}"));
        }
        if let Some(reason) = self.fence.reason() {
            reasons.push(reason.to_string());
        }
        if !status.initialized {
            reasons.push("this node is in no cluster yet".to_owned());
        } else if status.leader.is_none() {
            reasons.push("no leader is known".to_owned());
        } else if self.host.silence().is_none() {
            // The leader of its files: whether the others still follow it, and still count this node, is not known yet.
            reasons.push("the leader has not been heard since this node started".to_owned());
        } else if !status.members.iter().any(|member| member.id == status.node) {
            // The log is still on its way here, or this node was taken out.
            reasons.push("this node is not a member of the cluster".to_owned());
        }
        // What was committed when this node first heard its leader. Afterwards some entries are always under way.
        if status.leader.is_some() && self.host.silence().is_some() {
            let behind =
                self.caught_up_at.get_or_init(|| status.commit_index).saturating_sub(status.applied_index);
            if behind > 0 {
                reasons.push(format!("{behind} entries of the log are still to be applied"));
            }
        }
        reasons
    }

    /// Why this replica shows too old a state to be sent requests, if it does.
    pub fn lag(&self, limits: &Http) -> Option<String> {
        let status = self.host.status();
        // Before a leader was heard at all, `unready` says that.
        let silence = self.host.silence()?;
        too_old(silence, status.commit_index.saturating_sub(status.applied_index), limits)
    }

    /// Waits until this replica can serve.
    ///
    /// # Errors
    /// [`ReplicaError::NotReady`] with the reasons when it takes longer than `limit`.
    pub async fn ready(&self, limit: Duration) -> Result<(), ReplicaError> {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let wait = async {
            while !self.unready().is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let expired = |_| ReplicaError::NotReady { after: limit, why: self.unready().join("; ") };
        tokio::time::timeout(limit, wait).await.map_err(expired)
    }

    /// Takes the figures that are asked for, not counted.
    pub fn sample(&self, metrics: &Metrics) {
        let status = self.host.status();
        metrics.raft.sample(RaftSample {
            term: status.term,
            role: role_label(status.role),
            commit_index: status.commit_index,
            applied_index: status.applied_index,
            active_version: status.active_version,
        });
        // The engine's own figure would count its lock file and snapshots otherwise than `du`.
        let state_bytes = size_bytes(&self.state_directory).unwrap_or(0);
        metrics.storage.sizes(state_bytes, status.wal_bytes);
    }

    /// Ends log and state; what was acknowledged is durable before and after.
    pub async fn close(&self) {
        self.host.shutdown().await;
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("state", &self.state_directory).finish_non_exhaustive()
    }
}

/// Who was removed from the cluster, as far as the state knows.
fn removed_nodes(store: &Store) -> Result<Vec<u64>, storage::Fault> {
    let nodes = cluster::nodes(&store.view().in_scope(Scope(1)))?;
    Ok(nodes.into_iter().filter(|(_, node)| !node.is_member()).map(|(id, _)| id).collect())
}

fn timings(profile: RaftProfile) -> Timings {
    match profile {
        RaftProfile::Lan => Timings::LAN,
        RaftProfile::Fast => Timings::FAST,
        RaftProfile::Wan => Timings::WAN,
    }
}

fn role_label(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Stopped => "stopped",
    }
}

/// Why what a node shows is too old, that heard of the cluster so long ago and has to apply so many entries.
fn too_old(silence: Duration, behind: u64, limits: &Http) -> Option<String> {
    let silence_ms = silence.as_millis() as u64;
    if silence_ms > limits.ready_max_silence_ms {
        return Some(format!("this node has not heard from the cluster for {silence_ms} ms"));
    }
    (behind > limits.ready_max_lag_entries)
        .then(|| format!("this node is {behind} entries of the log behind"))
}

#[cfg(test)]
pub(crate) mod tests;
