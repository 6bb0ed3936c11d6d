//! What can go wrong: refusals of a submission or a read, which the caller may retry, and faults, which end the
//! node.

use std::{io, sync::Arc, time::Duration};

use net::{NetError, NodeId};
use tokio::sync::watch;

use crate::codec::Malformed;

/// Local and fatal. The node stops; it never guesses. What it acknowledged is in the log.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Storage(#[from] storage::Fault),
    /// The write-ahead log could not be read or written.
    #[error("the write-ahead log failed while {doing}: {source}; check the disk, then start the node again")]
    Log { doing: &'static str, source: io::Error },
    /// The directory holds a log of another format, or files that are no log.
    #[error("{path} holds a write-ahead log that this program cannot read ({why}); {advice}")]
    LogFormat { path: String, why: String, advice: &'static str },
    /// The log of this node was begun and is not there. It has the vote and what was acknowledged: others count on both.
    #[error(
        "{path} has no write-ahead log, and this node had one: if its disk is not mounted, mount it; a new log would let \
         this node vote twice and forget what it has acknowledged"
    )]
    LogLost { path: String },
    /// A record of ours that cannot be decoded.
    #[error("a stored record cannot be read: {0}")]
    Record(#[from] Malformed),
    /// The consensus engine stopped.
    #[error("the consensus core stopped: {0}")]
    Consensus(String),
    /// Settings that contradict each other.
    #[error("the raft settings are not usable: {0}")]
    Settings(String),
    /// The cluster endpoint cannot be set up.
    #[error(transparent)]
    Endpoint(#[from] NetError),
    /// Files of the state are gone: what it has ends before the log begins.
    #[error(
        "the state ends at index {applied} and the log begins behind {purged}: files of the state are lost"
    )]
    StateLost { applied: u64, purged: u64 },
    /// This node needs a copy of the state and nobody gave one.
    #[error(
        "no leader gave this node a copy of the state ({why}); start it again when a majority of the others is up"
    )]
    NoCopy { why: String },
    /// The group computes by rules that this program does not know, or knows no longer.
    #[error(
        "the cluster's active version is {active}, and this program supports {least} to {most}: {}",
        advise_version(*.active, *.most)
    )]
    ActiveVersion { active: u32, least: u32, most: u32 },
    /// A thread could not be started, or died.
    #[error("the {0} thread ended")]
    Thread(&'static str),
}

/// One table for both: what a code is, and which there are.
macro_rules! codes {
    ($($fault:pat => $code:literal,)*) => {
        /// All codes but those of the storage.
        pub const CODES: &'static [&'static str] = &[$($code),*];

        /// A stable code for logs, metrics and `explain`.
        pub fn code(&self) -> &'static str {
            match self {
                Fault::Storage(fault) => fault.code(),
                $($fault => $code,)*
            }
        }
    };
}

impl Fault {
    codes! {
        Fault::Log { .. } => "wal_failed",
        Fault::LogFormat { .. } => "wal_format",
        Fault::LogLost { .. } => "wal_lost",
        Fault::Record(_) => "raft_record_unreadable",
        Fault::Consensus(_) => "raft_core_stopped",
        Fault::Settings(_) => "raft_settings_invalid",
        Fault::Endpoint(_) => "cluster_endpoint_failed",
        Fault::StateLost { .. } => "raft_state_lost",
        Fault::NoCopy { .. } => "raft_no_copy",
        Fault::ActiveVersion { .. } => "active_version_unsupported",
        Fault::Thread(_) => "raft_thread_ended",
    }
}

/// Why a command was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Nothing was proposed. Ask `leader`, if it is known.
    #[error("this node does not lead; the leader is {}", name_leader(.leader))]
    NotLeader { leader: Option<NodeId> },
    /// Nothing was proposed: no majority answers.
    #[error("no majority of the cluster answers; nothing was changed, try again")]
    NoQuorum,
    /// The command was proposed and may or may not take effect. Retrying with the same idempotency key is safe.
    #[error("the outcome is not known: {why}; retry with the same key")]
    OutcomeUnknown { why: &'static str },
    /// Too many commands wait for their outcome already. Nothing was proposed.
    #[error("this node has as many commands waiting as it can hold; nothing was changed, try again")]
    Overloaded,
    /// Above the limit of a command.
    #[error("a command of {bytes} bytes is above the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    /// The clock of this node cannot be believed. Nothing was proposed.
    #[error(
        "this node's clock is {} s ahead of the last entry of the log, more than its uptime explains; \
         correct the clock, or confirm it if the cluster was stopped that long",
        .ahead.as_secs()
    )]
    ClockAhead { ahead: Duration },
    /// The node is shutting down or has failed. Nothing was proposed.
    #[error("this node has stopped")]
    Stopped,
}

impl SubmitError {
    /// A stable code, as shown to clients.
    pub fn code(&self) -> &'static str {
        match self {
            SubmitError::NotLeader { .. } => "not_leader",
            SubmitError::NoQuorum => "no_quorum",
            SubmitError::OutcomeUnknown { .. } => "outcome_unknown",
            SubmitError::Overloaded => "overloaded",
            SubmitError::TooLarge { .. } => "command_too_large",
            SubmitError::ClockAhead { .. } => "clock_ahead",
            SubmitError::Stopped => "node_stopped",
        }
    }
}

/// Why a read could not be given the consistency that it asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader is known, or it could not be asked.
    #[error("the read needs the leader, which is {}", name_leader(.leader))]
    NotLeader { leader: Option<NodeId> },
    /// The leader could not confirm with a majority that it still leads.
    #[error("no majority of the cluster answers; try again, or read with consistency local")]
    NoQuorum,
    /// The deadline passed before this node had applied `wanted`.
    #[error("this node has applied index {applied} and index {wanted} was not reached in time")]
    IndexNotReached { wanted: u64, applied: u64 },
    /// The node is shutting down or has failed.
    #[error("this node has stopped")]
    Stopped,
}

impl ReadError {
    /// A stable code, as shown to clients.
    pub fn code(&self) -> &'static str {
        match self {
            ReadError::NotLeader { .. } => "not_leader",
            ReadError::NoQuorum => "no_quorum",
            ReadError::IndexNotReached { .. } => "index_not_reached",
            ReadError::Stopped => "node_stopped",
        }
    }
}

fn advise_version(active: u32, most: u32) -> &'static str {
    if active > most {
        "it is too old; install the version that the other nodes run"
    } else {
        "it would skip a version; install an earlier one that supports the active version, upgrade all nodes to it, \
         and finalize that upgrade first"
    }
}

fn name_leader(leader: &Option<NodeId>) -> String {
    match leader {
        Some(id) => format!("node {id}"),
        None => "not known".into(),
    }
}

/// Remembers the first fault and tells everyone who waits for one.
#[derive(Debug, Clone)]
pub(crate) struct FaultLine(Arc<watch::Sender<Option<Arc<str>>>>);

impl FaultLine {
    pub(crate) fn new() -> FaultLine {
        FaultLine(Arc::new(watch::Sender::new(None)))
    }

    /// Reports a fault and turns it into the error that openraft stops on.
    pub(crate) fn report(&self, fault: &Fault) -> io::Error {
        let text: Arc<str> = format!("{}: {fault}", fault.code()).into();
        self.0.send_if_modified(|first| {
            let new = first.is_none();
            if new {
                tracing::error!(code = fault.code(), error = %fault, "node must stop");
                *first = Some(text.clone());
            }
            new
        });
        io::Error::other(text.to_string())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.0.subscribe()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.borrow().is_some()
    }
}
