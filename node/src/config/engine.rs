//! `[storage]`, `[raft]` and `[workers]`: how state is kept, replicated and acted on.

use serde::{Deserialize, Serialize};

use super::problems::Problems;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Memory for the state's page cache. Without a bound the engine would take what it likes.
    pub cache_mb: u64,
    /// The state gets new files when those in use have so many times the bytes of what is in them. 0: never by itself.
    pub compact_ratio: u64,
    /// Smaller files are left alone.
    pub compact_min_mb: u64,
    /// How often a node looks.
    pub compact_interval_s: u64,
    /// All of the state is read and compared with its digests this often. 0: never.
    pub scrub_every_hours: u64,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            cache_mb: 64,
            compact_ratio: 4,
            compact_min_mb: 256,
            compact_interval_s: 60,
            scrub_every_hours: 24,
        }
    }
}

impl Storage {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("storage.cache_mb", self.cache_mb, 8..=65_536);
        if self.compact_ratio != 0 {
            problems.range("storage.compact_ratio", self.compact_ratio, 2..=100);
        }
        problems.range("storage.compact_min_mb", self.compact_min_mb, 1..=1_048_576);
        problems.range("storage.compact_interval_s", self.compact_interval_s, 1..=86_400);
        if self.scrub_every_hours != 0 {
            problems.range("storage.scrub_every_hours", self.scrub_every_hours, 1..=8_760);
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raft {
    pub profile: RaftProfile,
}

/// How fast the cluster notices a lost leader, against how patient it is with its network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RaftProfile {
    /// Heartbeat 60 ms, election 200 to 400 ms.
    #[default]
    Lan,
    /// Heartbeat 30 ms, election 100 to 200 ms.
    Fast,
    /// For round trips of up to some 100 ms.
    Wan,
}

/// The background workers of this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    pub enabled: bool,
    /// Things that one worker does at once.
    pub parallel: u32,
    /// A worker looks for work at least this often, also when nothing woke it.
    pub interval_ms: u64,
    /// Back-off between attempts at one thing begins here, doubles, and ends at `retry_max_ms`.
    pub retry_min_ms: u64,
    pub retry_max_ms: u64,
}

impl Default for Workers {
    fn default() -> Workers {
        Workers { enabled: true, parallel: 8, interval_ms: 1000, retry_min_ms: 500, retry_max_ms: 300_000 }
    }
}

impl Workers {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("workers.parallel", self.parallel, 1..=256);
        problems.range("workers.interval_ms", self.interval_ms, 50..=60_000);
        problems.range("workers.retry_min_ms", self.retry_min_ms, 10..=60_000);
        problems.range("workers.retry_max_ms", self.retry_max_ms, self.retry_min_ms..=3_600_000);
    }
}
