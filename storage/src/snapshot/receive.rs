//! Receiving a copy into a new generation, beside the state in use.

use crate::digest::Digests;
use crate::engine::{Batch, Raw};
use crate::fault::Fault;
use crate::home::Generation;
use crate::snapshot::check::{CheckedCopy, CopyCheck};
use crate::store::put_digests;

/// What is new is made durable in pieces of this size: one large flush at the end would hold up the log's own, on the same
/// disk.
pub(crate) const FLUSH_EVERY_BYTES: u64 = 16 << 20;

/// Whether the records of the table with this prefix are kept.
type Keep = fn(u8) -> bool;

/// A copy that is arriving. Dropped unfinished, it leaves nothing behind.
///
/// What is wrong with the copy is [`Fault::BadCopy`] or [`Fault::Incomplete`]: ask for it again. Other faults are this
/// node's own.
pub struct Incoming {
    generation: Generation,
    check: CopyCheck,
    keep: Keep,
    /// Bytes that are not known to be durable.
    unflushed: u64,
}

impl Incoming {
    pub(crate) fn new(generation: Generation, keep: Keep) -> Incoming {
        Incoming { generation, check: CopyCheck::new(), keep, unflushed: 0 }
    }

    /// Takes the next piece of the stream, of any size: whole frames are checked and written, the rest waits. It blocks
    /// on the disk.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let Incoming { generation, check, keep, unflushed } = self;
        check.push_into(piece, |records| {
            let mut batch = Batch::default();
            for (key, value) in records.into_iter().filter(|(key, _)| keep(key[0])) {
                *unflushed += (key.len() + value.len()) as u64;
                batch.put(key, value);
            }
            generation.engine.load(batch)?;
            if *unflushed >= FLUSH_EVERY_BYTES {
                generation.engine.flush()?;
                *unflushed = 0;
            }
            Ok(())
        })
    }

    /// How many records have arrived.
    pub fn records(&self) -> u64 {
        self.check.records()
    }

    /// The last key that has arrived in a whole frame: a reader of the same export can go on behind it, after
    /// [`restart_frame`](Incoming::restart_frame). `None` until the header and a record are there.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.check.last_key()
    }

    /// Forgets a frame that arrived in part: the sender begins anew behind [`last_key`](Incoming::last_key).
    pub fn restart_frame(&mut self) {
        self.check.restart_frame();
    }

    /// Checks that all has arrived and is what the sender had, and makes it durable.
    pub fn finish(self) -> Result<Received, Fault> {
        let Incoming { generation, check, keep, .. } = self;
        let CheckedCopy { digests, note, .. } = check.finish()?;
        let digests = digests.only(keep);
        let mut batch = Batch::default();
        put_digests(&mut batch, &digests);
        generation.engine.commit(batch)?;
        generation.engine.flush()?;
        Ok(Received { generation, digests, note })
    }
}

/// A whole copy, checked and durable, that is not in use yet: [`Store::install`](crate::Store::install) takes it.
/// Dropped, it leaves nothing behind.
pub struct Received {
    pub(crate) generation: Generation,
    pub(crate) digests: Digests,
    note: Vec<u8>,
}

impl Received {
    /// The digests of the copy, as far as it was kept.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The note in its header.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// Reads one record of the copy before it is installed.
    pub fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.generation.engine.get(key)
    }
}
