//! Where the answer to a request that may be repeated is looked for, and where it is stored.
//!
//! From level 7 on, answers to requests with an idempotency key are under the epoch of the feed in which they were given,
//! and in it under the hash: hashes come in no order, and so neighbours in time share pages, whatever their hashes.

use storage::{Fault, Read, Span, Txn};

use crate::apply::{KEY_KEPT_MILLIS, REPLIES_BY_EPOCH_SINCE, REQUEST_KEPT_MILLIS};
use crate::broker::{Events, Kept, Replies, RepliesByEpoch, StoredReply};
use crate::command::{Dedupe, Envelope};
use crate::event::Counters;
use crate::outcome::Outcome;

/// An epoch is two to the power of this many sequence numbers. It is in keys: a format.
const EPOCH_BITS: u32 = 18;

/// The epoch of a command, by the counters before it.
fn epoch_of(counters: Counters) -> u64 {
    counters.next_seq >> EPOCH_BITS
}

/// Where the answer of a command is remembered.
pub struct ReplySlot {
    hash: [u8; 32],
    pub fingerprint: [u8; 32],
    pub kept_millis: u64,
    place: Place,
}

enum Place {
    /// `Replies`: under the hash alone.
    ByHash,
    ByEpoch {
        current: u64,
        /// Whether the current epoch was found to have this very key.
        is_taken: bool,
    },
}

impl ReplySlot {
    /// `counters` are those before the command.
    pub fn of(envelope: &Envelope, active_version: u32, counters: Counters) -> Option<Self> {
        match &envelope.dedupe {
            Dedupe::Idempotent => None,
            Dedupe::Request => {
                let mut hash = [0; 32];
                hash[..16].copy_from_slice(&envelope.request.0);
                // It is in order of time already, and remembered for minutes.
                let place = Place::ByHash;
                Some(Self { hash, fingerprint: [0; 32], kept_millis: REQUEST_KEPT_MILLIS, place })
            }
            Dedupe::Key { scope, fingerprint } => {
                let place = if active_version >= REPLIES_BY_EPOCH_SINCE {
                    Place::ByEpoch { current: epoch_of(counters), is_taken: false }
                } else {
                    Place::ByHash
                };
                Some(Self { hash: *scope, fingerprint: *fingerprint, kept_millis: KEY_KEPT_MILLIS, place })
            }
        }
    }

    /// The newest reply there is, still honoured or not. An older one of the same hash is over: otherwise there were no
    /// newer one.
    pub fn find(&mut self, tx: &Txn<'_>) -> Result<Option<StoredReply>, Fault> {
        let Place::ByEpoch { current, is_taken } = &mut self.place else {
            return tx.get::<Replies>(&self.hash);
        };
        if let Some((epoch, stored)) = newest(tx, *current, self.hash)? {
            *is_taken = epoch == *current;
            return Ok(Some(stored));
        }
        // From before the level.
        if tx.may_hold::<Replies>(&self.hash)? { tx.get::<Replies>(&self.hash) } else { Ok(None) }
    }

    /// Stores a reply, after [`ReplySlot::find`]. One that is over may be left in an older epoch, or under the hash alone:
    /// the newest is what is found, and the others are trimmed.
    pub fn store(&self, tx: &mut Txn<'_>, reply: &StoredReply) -> Result<(), Fault> {
        match self.place {
            Place::ByHash => tx.put::<Replies>(&self.hash, reply),
            Place::ByEpoch { current, is_taken: true } => {
                tx.put::<RepliesByEpoch>(&(current, self.hash), reply)
            }
            // Known to be new, so that nothing is read for it.
            Place::ByEpoch { current, is_taken: false } => {
                tx.insert::<RepliesByEpoch>(&(current, self.hash), reply)
            }
        }
    }
}

/// The newest reply under a hash, and its epoch.
fn newest(tx: &Txn<'_>, current: u64, hash: [u8; 32]) -> Result<Option<(u64, StoredReply)>, Fault> {
    if !tx.may_hold::<RepliesByEpoch>(&hash)? {
        return Ok(None);
    }
    let oldest = tx.scan::<RepliesByEpoch>(Span::all()).next().transpose()?;
    let Some(((oldest, _), _)) = oldest else { return Ok(None) };
    for epoch in (oldest..=current).rev() {
        if let Some(stored) = tx.get::<RepliesByEpoch>(&(epoch, hash))? {
            return Ok(Some((epoch, stored)));
        }
    }
    Ok(None)
}

/// An answer from where it is kept.
pub fn kept(tx: &Txn<'_>, answer: Kept) -> Result<Outcome, Fault> {
    match answer {
        Kept::Here(outcome) => Ok(outcome),
        Kept::InBatch(seq) => {
            let batch = tx.get::<Events>(&seq)?.and_then(|batch| batch.answer);
            let missing =
                || Fault::corrupt("a stored reply", format!("no answer is with the events at {seq}"));
            batch.ok_or_else(missing)?.outcome()
        }
    }
}

#[cfg(test)]
mod tests;
