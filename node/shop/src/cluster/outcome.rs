use serde::{Deserialize, Serialize};

use crate::cluster::Autopilot;
use crate::ids::JoinTokenId;
use crate::time::Timestamp;

/// What commands of this slice answer. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Node {
        id: u64,
    },
    Token {
        id: JoinTokenId,
        created_at: Timestamp,
        expires_at: Timestamp,
    },
    Autopilot(Autopilot),
    /// The active version as it is now.
    ActiveVersion(u32),
}

impl From<Outcome> for crate::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self::Cluster(outcome)
    }
}
