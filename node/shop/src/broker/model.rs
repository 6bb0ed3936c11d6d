use serde::{Deserialize, Serialize};

use crate::event::Batch;
use crate::outcome::Outcome;
use crate::table;
use crate::time::Timestamp;

table!(
    /// The feed: batches under the sequence number of their first event.
    Events, EVENTS, u64 => Batch
);

table!(
    /// Answers kept for repeated requests, under the hash of who asked what with which key.
    Replies, REPLIES, [u8; 32] => StoredReply
);

/// The answer to a request that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReply {
    pub at: Timestamp,
    /// The index at which it was carried out.
    pub index: u64,
    /// For how long after `at` it is honoured, in milliseconds of log time.
    pub kept_millis: u64,
    pub fingerprint: [u8; 32],
    pub outcome: Outcome,
}

storage::versioned!(StoredReply, 1);
