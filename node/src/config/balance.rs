//! `[balance]`: when a busy node lets another one answer a read.

use serde::{Deserialize, Serialize};

use super::problems::Problems;

/// The share of its requests that a node gives away, and to whom it does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Balance {
    /// Whether this node lets others answer; it answers for them in any case.
    pub spill_reads: bool,
    /// Busy is a node with so many requests under way, in thousandths of those that it takes at once. 0: always.
    pub busy_per_mille: u32,
    /// The other node must be less busy by so much.
    pub margin_per_mille: u32,
    /// How long the other node may take; then the read is answered here.
    pub timeout_ms: u64,
    /// A node that failed so often in a row is set aside.
    pub outlier_failures: u32,
    /// For how long at first; each further time is twice as long, up to 32 times this.
    pub set_aside_ms: u64,
}

impl Default for Balance {
    fn default() -> Balance {
        Balance {
            spill_reads: true,
            busy_per_mille: 250,
            margin_per_mille: 50,
            timeout_ms: 500,
            outlier_failures: 5,
            set_aside_ms: 5_000,
        }
    }
}

impl Balance {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("balance.busy_per_mille", self.busy_per_mille, 0..=1000);
        problems.range("balance.margin_per_mille", self.margin_per_mille, 0..=1000);
        problems.range("balance.timeout_ms", self.timeout_ms, 10..=10_000);
        problems.range("balance.outlier_failures", self.outlier_failures, 1..=1000);
        problems.range("balance.set_aside_ms", self.set_aside_ms, 100..=600_000);
    }
}
