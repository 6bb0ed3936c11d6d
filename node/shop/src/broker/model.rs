use storage::{Fault, Value, codec};

use crate::event::Batch;
use crate::outcome::Outcome;
use crate::table;
use crate::time::Timestamp;

table!(
    /// The feed: batches under the sequence number of their first event.
    Events, EVENTS, u64 => Batch
);

table!(
    /// Answers kept for repeated requests, under the hash of who asked what with which key, or under the request id. From
    /// level 7 on only the latter come here.
    Replies, REPLIES, [u8; 32] => StoredReply, sought_tail: 32
);

table!(
    /// Answers kept for repeated requests with a key, under the epoch of the feed in which they were given and the hash of
    /// who asked what with which key.
    RepliesByEpoch, REPLIES_BY_EPOCH, (u64, [u8; 32]) => StoredReply, sought_tail: 32
);

/// The answer to a request that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReply {
    pub at: Timestamp,
    /// The index at which it was carried out.
    pub index: u64,
    /// For how long after `at` it is honoured, in milliseconds of log time.
    pub kept_millis: u64,
    pub fingerprint: [u8; 32],
    pub answer: Kept,
}

/// Where an answer is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Here(Outcome),
    /// In the batch of events under this sequence number.
    InBatch(u64),
}

/// Version 1 has the outcome behind the rest, version 2 the sequence number.
impl Value for StoredReply {
    const VERSION: u8 = 2;

    fn encode(&self) -> Result<Vec<u8>, Fault> {
        let Self { at, index, kept_millis, fingerprint, answer } = self;
        match answer {
            Kept::Here(outcome) => {
                codec::encode_versioned(1, &(at, index, kept_millis, fingerprint, outcome))
            }
            Kept::InBatch(seq) => codec::encode_versioned(2, &(at, index, kept_millis, fingerprint, seq)),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let ((at, index, kept_millis, fingerprint), answer) = match codec::split_version(bytes)? {
            (1, body) => {
                let (front, outcome) = codec::decode_front(body)?;
                (front, Kept::Here(storage::decode(outcome)?))
            }
            (2, body) => {
                let (front, seq) = codec::decode_front(body)?;
                (front, Kept::InBatch(storage::decode(seq)?))
            }
            (found, _) => return Err(codec::unknown_version::<Self>(found, Self::VERSION)),
        };
        Ok(Self { at, index, kept_millis, fingerprint, answer })
    }
}
