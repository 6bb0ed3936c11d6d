//! What the node's directory takes.

use std::time::Duration;

use prometheus::{Error, Gauge, Histogram, IntCounterVec, IntGauge};

use super::{DISK_SECONDS, Register};

#[derive(Debug)]
pub struct StorageMetrics {
    state: IntGauge,
    wal: IntGauge,
    flush: Histogram,
    differ: IntGauge,
    fenced: IntGauge,
    live: IntGauge,
    compacting: IntGauge,
    compaction_lacks_space: IntGauge,
    compactions: IntCounterVec,
    compaction_took: Gauge,
    scrub_end: IntGauge,
    scrub_damaged: IntGauge,
}

/// How a compaction ended.
#[derive(Debug, Clone, Copy)]
pub enum CompactionEnd {
    Done,
    /// Everything is as it was: it was broken off or met something else.
    GaveUp,
}

impl CompactionEnd {
    fn label(self) -> &'static str {
        match self {
            CompactionEnd::Done => "done",
            CompactionEnd::GaveUp => "gave_up",
        }
    }
}

impl StorageMetrics {
    pub(super) fn new(register: &Register) -> Result<StorageMetrics, Error> {
        let compactions = register.counters(
            "compactions_total",
            "Times that the state was to get new, small files, by result.",
            &["result"],
        )?;
        for end in [CompactionEnd::Done, CompactionEnd::GaveUp] {
            compactions.with_label_values(&[end.label()]);
        }
        Ok(StorageMetrics {
            compactions,
            live: register.gauge(
                "storage_live_bytes",
                "Bytes of all keys and values when they were last counted; 0 while the files are too small to be looked at.",
            )?,
            compacting: register.gauge("compacting", "1 while the state gets new files.")?,
            compaction_lacks_space: register.gauge(
                "compaction_lacks_space",
                "1 while the disk has no room for the new files that the state should get.",
            )?,
            compaction_took: register
                .seconds("compaction_last_seconds", "How long the last compaction took.")?,
            scrub_end: register.gauge(
                "scrub_last_end_timestamp_seconds",
                "When all of the state was last read and compared with its digests; 0 if not since the start.",
            )?,
            scrub_damaged: register.gauge(
                "scrub_damaged_tables",
                "Tables whose records were not what their digests say when they were last read: above 0, somebody must look.",
            )?,
            state: register.gauge("state_size_bytes", "Size of the state's files.")?,
            wal: register.gauge("wal_size_bytes", "Size of the log's files.")?,
            differ: register.gauge(
                "digests_differ",
                "1 while another node has another digest of the same index: somebody must look.",
            )?,
            fenced: register
                .gauge("fenced", "1 while this node is out of service because its state is wrong.")?,
            flush: register.histogram(
                "state_flush_duration_seconds",
                "Time that making the state durable took.",
                &DISK_SECONDS,
            )?,
        })
    }

    pub fn digests_differ(&self, differ: bool) {
        self.differ.set(i64::from(differ));
    }

    pub fn fenced(&self) {
        self.fenced.set(1);
    }

    pub fn live(&self, bytes: u64) {
        self.live.set(bytes as i64);
    }

    pub fn compacting(&self, is_under_way: bool) {
        self.compacting.set(i64::from(is_under_way));
    }

    pub fn compaction_lacks_space(&self, lacks: bool) {
        self.compaction_lacks_space.set(i64::from(lacks));
    }

    pub fn compacted(&self, end: CompactionEnd, took: Duration) {
        self.compactions.with_label_values(&[end.label()]).inc();
        self.compaction_took.set(took.as_secs_f64());
    }

    /// A scrub ended at `now_ms` and found so many damaged tables.
    pub fn scrubbed(&self, now_ms: u64, damaged_tables: usize) {
        self.scrub_end.set((now_ms / 1_000) as i64);
        self.scrub_damaged.set(damaged_tables as i64);
    }

    pub fn flushed(&self, took: Duration) {
        self.flush.observe(took.as_secs_f64());
    }

    pub fn sizes(&self, state_bytes: u64, wal_bytes: u64) {
        self.state.set(state_bytes as i64);
        self.wal.set(wal_bytes as i64);
    }
}
