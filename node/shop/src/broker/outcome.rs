use serde::{Deserialize, Serialize};

use crate::broker::{Settings, Topic};
use crate::ids::JobId;

/// What commands of this slice answer. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The epoch of the lease that was given.
    Lease(u64),
    Topic {
        name: String,
        topic: Topic,
    },
    /// The sequence number of the event.
    Published {
        seq: u64,
    },
    /// The group's epoch after a change of its membership.
    Membership {
        epoch: u64,
    },
    Settings(Settings),
    Job {
        id: JobId,
    },
    /// What a trim removed; `more`: there is more to remove now, send it again.
    Trimmed {
        removed: u32,
        more: bool,
    },
}

impl From<Outcome> for crate::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self::Broker(outcome)
    }
}
