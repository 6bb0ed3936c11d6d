//! A machine that keeps each command under its index.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use raft::{Clock, Entry, Machine};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use storage::{Fault, Store, Table, Txn, versioned};

/// Replicated: digested, and in copies.
struct Words;
impl Table for Words {
    const PREFIX: u8 = 0x20;
    const NAME: &'static str = "words";
    type Key = u64;
    type Value = Word;
}

/// As a node's own records are: neither digested nor copied.
struct LocalWords;
impl Table for LocalWords {
    const PREFIX: u8 = 0x0f;
    const NAME: &'static str = "local_words";
    type Key = u64;
    type Value = Word;
}

/// Its bytes are stored as bytes, not as a list of numbers.
struct Word(Vec<u8>);
versioned!(Word, 1);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Word;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("bytes")
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Word, E> {
                Ok(Word(bytes))
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}

pub struct Keeper {
    pub undigested: bool,
}

impl Machine for Keeper {
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault> {
        let word = Word(entry.payload.to_vec());
        match self.undigested {
            true => tx.insert::<LocalWords>(&entry.index, &word)?,
            false => tx.insert::<Words>(&entry.index, &word)?,
        }
        Ok(Vec::new())
    }
    fn committed(&mut self, _index: u64) {}
    fn restored(&mut self, _index: u64) {}
}

pub struct FixedClock;

impl Clock for FixedClock {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000
    }
    fn seed(&self) -> [u8; 16] {
        [1; 16]
    }
}

/// Opens a copy of the state every few seconds, in place of the one before.
pub async fn keep_exporting(store: Arc<Store>) {
    let mut open = None;
    loop {
        match store.export() {
            Ok(export) => open = Some(export),
            Err(fault) => tracing::warn!(%fault, "no copy could be opened"),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        tracing::trace!(open = open.is_some(), "the next copy");
    }
}
