//! The replicated log, as this node sees it.

use std::time::Duration;

use prometheus::{Error, Histogram, IntCounter, IntGauge, IntGaugeVec};

use shop::LEVELS;

use super::{DISK_SECONDS, Register};

const ROLES: [&str; 4] = ["leader", "follower", "candidate", "learner"];

/// One look at the replicated log.
#[derive(Debug, Clone, Copy)]
pub struct RaftSample {
    pub term: u64,
    /// One of `leader`, `follower`, `candidate`, `learner`.
    pub role: &'static str,
    pub commit_index: u64,
    pub applied_index: u64,
    /// By which rules the cluster computes.
    pub active_version: u32,
}

#[derive(Debug)]
pub struct RaftMetrics {
    term: IntGauge,
    leads_transferred: IntCounter,
    role: IntGaugeVec,
    commit_index: IntGauge,
    applied_index: IntGauge,
    active_version: IntGauge,
    apply_runs: Histogram,
    applied_entries: IntCounter,
    fsync: Histogram,
    wal_written: IntCounter,
    snapshot_received: IntCounter,
    snapshots_resumed: IntCounter,
}

impl RaftMetrics {
    pub(super) fn new(register: &Register) -> Result<RaftMetrics, Error> {
        let most = "The highest active version that this program supports.";
        register.gauge("supported_version_max", most)?.set(i64::from(LEVELS.most));
        Ok(RaftMetrics {
            term: register.gauge("raft_term", "The current term.")?,
            leads_transferred: register.counter(
                "raft_leader_transfers_total",
                "Times that this node led and gave the lead to another: asked to, before it stopped or compacted, or because \
                 of its disk or clock. What else the term grows by on all nodes are elections.",
            )?,
            role: register.gauges("raft_role", "1 for the role that this node has.", &["role"])?,
            commit_index: register.gauge("raft_commit_index", "The last index known to be committed.")?,
            applied_index: register.gauge("raft_applied_index", "The last index applied to the state.")?,
            active_version: register.gauge("active_version", "The cluster's active version.")?,
            apply_runs: register.histogram(
                "apply_run_duration_seconds",
                "Time from taking a run of log entries to its one commit in the engine.",
                &DISK_SECONDS,
            )?,
            applied_entries: register
                .counter("applied_entries_total", "Log entries applied to the state.")?,
            fsync: register.histogram(
                "wal_fsync_duration_seconds",
                "Time from handing an append to the log until it was durable.",
                &DISK_SECONDS,
            )?,
            snapshot_received: register.counter(
                "snapshot_received_bytes_total",
                "Bytes of snapshots that arrived from a leader because the log no longer reached back far enough.",
            )?,
            snapshots_resumed: register.counter(
                "snapshot_transfers_resumed_total",
                "Transfers of a snapshot to this node that were cut off and went on where they were.",
            )?,
            wal_written: register.counter("wal_written_bytes_total", "Bytes appended to the log.")?,
        })
    }

    pub fn sample(&self, sample: RaftSample) {
        self.term.set(sample.term as i64);
        self.commit_index.set(sample.commit_index as i64);
        self.applied_index.set(sample.applied_index as i64);
        self.active_version.set(i64::from(sample.active_version));
        for role in ROLES {
            self.role.with_label_values(&[role]).set(i64::from(role == sample.role));
        }
    }

    /// A run of `entries` was applied and committed.
    pub fn applied_run(&self, entries: u64, took: Duration) {
        self.applied_entries.inc_by(entries);
        self.apply_runs.observe(took.as_secs_f64());
    }

    /// A frame of a snapshot arrived.
    pub fn snapshot_frame(&self, bytes: u64) {
        self.snapshot_received.inc_by(bytes);
    }

    pub fn snapshot_resumed(&self) {
        self.snapshots_resumed.inc();
    }

    /// This node gave the lead to another.
    pub fn lead_transferred(&self) {
        self.leads_transferred.inc();
    }

    /// An append of `bytes` is durable.
    pub fn durable(&self, bytes: u64, took: Duration) {
        self.wal_written.inc_by(bytes);
        self.fsync.observe(took.as_secs_f64());
    }
}
