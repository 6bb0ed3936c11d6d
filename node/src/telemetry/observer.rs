//! What the log and the applier tell of durations, as metrics.

use std::time::Duration;

use raft::Observer;

use super::Metrics;

impl Observer for Metrics {
    fn applied(&self, entries: u64, took: Duration) {
        self.raft.applied_run(entries, took);
    }

    fn durable(&self, _entries: u64, bytes: u64, took: Duration) {
        self.raft.durable(bytes, took);
    }

    fn flushed(&self, _index: u64, took: Duration) {
        self.storage.flushed(took);
    }

    fn snapshot_frame(&self, bytes: u64) {
        self.raft.snapshot_frame(bytes);
    }

    fn snapshot_resumed(&self) {
        self.raft.snapshot_resumed();
    }

    fn lead_transferred(&self) {
        self.raft.lead_transferred();
    }
}
