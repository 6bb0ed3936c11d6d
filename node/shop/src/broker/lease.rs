//! Leases: which node does the work of a queue, and since when. A command of a worker carries the fence that its lease
//! gave it, and is refused once a newer lease was given: a worker that was paused cannot act on what it believed.

use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::rejection::{Halt, Rejection};
use crate::table;
use crate::time::Timestamp;

table!(
    /// The current lease of each queue, by the queue's name.
    Leases, LEASES, String => Lease
);

/// Who does the work of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The node.
    pub holder: u64,
    /// Counts the leases of this queue from 1; a higher one ends all lower ones.
    pub epoch: u64,
    pub acquired_at: Timestamp,
}

storage::versioned!(Lease, 1);

/// What a worker's command says about its right to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    pub queue: String,
    pub epoch: u64,
}

impl Fence {
    /// Refuses with `stale_epoch` unless this is the queue's current lease.
    pub fn check(&self, read: &impl Read) -> Result<(), Halt> {
        let current = read.get::<Leases>(&self.queue)?.map_or(0, |lease| lease.epoch);
        if current == self.epoch && current > 0 {
            return Ok(());
        }
        let detail =
            format!("queue {} is at epoch {current}, this command is of epoch {}", self.queue, self.epoch);
        Err(Rejection::new(Code::StaleEpoch, detail).into())
    }
}
