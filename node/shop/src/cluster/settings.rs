//! What the autopilot goes by, in one record.

use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::rejection::Rejection;
use crate::table;
use crate::time::Timestamp;

table!(
    /// The cluster's settings: one record.
    ClusterSettingsTable, CLUSTER_SETTINGS, () => ClusterSettings
);

/// The cluster's settings. Until they are set, the default ones hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSettings {
    pub autopilot: Autopilot,
    pub updated_at: Timestamp,
}

storage::versioned!(ClusterSettings, 1);

/// What makes a learner a voter, and when a dead voter is replaced, without anybody asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Autopilot {
    pub enabled: bool,
    /// How many vote at most, 1 to 7: the rest stay learners.
    pub max_voters: u32,
    /// How long a learner must have been well before it votes, in milliseconds, at most an hour.
    pub stable_ms: u64,
    /// How many entries a learner that is to vote may be behind.
    pub max_lag: u64,
    /// For how long a voter must be gone before a caught-up learner takes its place, in milliseconds; 0: never.
    pub replace_dead_after_ms: u64,
}

impl Default for Autopilot {
    fn default() -> Self {
        Self { enabled: true, max_voters: 5, stable_ms: 10_000, max_lag: 1_000, replace_dead_after_ms: 0 }
    }
}

impl Autopilot {
    /// Refuses with `invalid_value` what is outside of its bounds.
    pub fn check(&self) -> Result<(), Rejection> {
        let refuse = |pointer: &str, detail: &str| Err(Rejection::at(Code::InvalidValue, pointer, detail));
        if !(1..=7).contains(&self.max_voters) {
            return refuse("/max_voters", "1 to 7 are allowed");
        }
        if self.stable_ms > 3_600_000 {
            return refuse("/stable_ms", "at most an hour is allowed");
        }
        if self.max_lag > 1_000_000 {
            return refuse("/max_lag", "at most 1000000 is allowed");
        }
        let month_ms = 30 * 24 * 3_600_000;
        if self.replace_dead_after_ms != 0 && !(10_000..=month_ms).contains(&self.replace_dead_after_ms) {
            return refuse("/replace_dead_after_ms", "0 (never), or 10 seconds to 30 days are allowed");
        }
        Ok(())
    }
}
