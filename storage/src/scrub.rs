//! Reads everything and compares it with the digests that were kept.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::digest::{Digests, Tally};
use crate::fault::Fault;
use crate::store::Store;

/// What a scrub found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubReport {
    /// How many replicated records there are.
    pub records: u64,
    /// Their keys and values, in bytes.
    pub bytes: u64,
    /// The digests kept by the commits.
    pub kept: Digests,
    /// The digests of what is really there.
    pub found: Digests,
}

impl ScrubReport {
    /// Whether every table is what its digest says.
    pub fn is_clean(&self) -> bool {
        self.kept == self.found
    }

    /// The prefixes of the tables that are not.
    pub fn damaged_tables(&self) -> Vec<u8> {
        self.kept.differing(&self.found)
    }
}

impl Store {
    /// Walks every replicated record as of now, while commits go on, and recomputes the digests. Damage is reported, not
    /// a fault: what to do about it is decided with the other nodes. It blocks on the disk for as long as that takes.
    pub fn scrub(&self) -> Result<ScrubReport, Fault> {
        self.scrub_at_leisure(|_| ControlFlow::Continue(()))
    }

    /// The same, with a pause between pieces: `rest` is as in [`Store::rebuild`].
    ///
    /// # Errors
    /// [`Fault::BrokenOff`], [`Fault::ExportLost`] and [`Fault::TooManyExports`] say nothing about the records: try again
    /// later. Any other is this node's own and fatal.
    pub fn scrub_at_leisure(
        &self,
        mut rest: impl FnMut(Duration) -> ControlFlow<()>,
    ) -> Result<ScrubReport, Fault> {
        let export = self.export()?;
        let (mut walk, mut tally) = (export.walk(None), Tally::new(Digests::default()));
        let (mut records, mut bytes) = (0, 0);
        loop {
            let started = Instant::now();
            let Some(chunk) = walk.next_chunk()? else { break };
            for (key, value) in chunk {
                tally.add(&key, &value);
                records += 1;
                bytes += (key.len() + value.len()) as u64;
            }
            if rest(started.elapsed()).is_break() {
                return Err(Fault::BrokenOff);
            }
        }
        Ok(ScrubReport { records, bytes, kept: export.digests().clone(), found: tally.finish() })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow::{Break, Continue};
    use std::sync::Arc;

    use crate::engine::{Batch, Engine};
    use crate::memory::MemoryEngine;
    use crate::{Read, Span, Store, Table, key};

    struct Names;

    impl Table for Names {
        const PREFIX: u8 = 0x20;
        const NAME: &'static str = "names";
        type Key = u32;
        type Value = Name;
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Name(String);
    crate::versioned!(Name, 1);

    /// More than one piece.
    const RECORDS: u32 = 4_000;

    fn filled() -> (Arc<MemoryEngine>, Store) {
        let engine = Arc::new(MemoryEngine::new());
        let store = Store::open(engine.clone()).unwrap();
        let mut txn = store.begin();
        for number in 0..RECORDS {
            txn.insert::<Names>(&number, &Name("x".repeat(100))).unwrap();
        }
        store.commit(txn).unwrap();
        (engine, store)
    }

    /// The bytes of a key, as the engine has it.
    fn raw(number: u32) -> Vec<u8> {
        [[Names::PREFIX].as_slice(), &[0; 4], &number.to_be_bytes()].concat()
    }

    #[test]
    fn a_record_that_changed_beneath_the_store_is_found() {
        type Damage = fn(&mut Batch, Vec<u8>, Vec<u8>);
        let damages: [(&str, Damage); 3] = [
            ("another value", |batch, key, mut value| {
                if let Some(last) = value.last_mut() {
                    *last ^= 1;
                }
                batch.put(key.as_slice().into(), value.as_slice().into());
            }),
            ("a lost record", |batch, key, _| batch.delete(key.as_slice().into())),
            ("one too many", |batch, mut key, value| {
                key[5] = 0xff;
                batch.put(key.as_slice().into(), value.as_slice().into());
            }),
        ];
        for (what, damage) in damages {
            let (engine, store) = filled();
            assert!(store.scrub().unwrap().is_clean());
            let key = raw(RECORDS / 2);
            assert!(key::is_replicated(key[0]));
            let value = engine.get(&key).unwrap().unwrap();
            let mut batch = Batch::default();
            damage(&mut batch, key, value.to_vec());
            engine.commit(batch).unwrap();
            let report = store.scrub().unwrap();
            assert_eq!(report.damaged_tables(), [Names::PREFIX], "{what}");
            // Damage stays damage while the rest changes.
            let mut txn = store.begin();
            txn.put::<Names>(&1, &Name("y".to_owned())).unwrap();
            store.commit(txn).unwrap();
            assert!(!store.scrub().unwrap().is_clean(), "{what}");
        }
    }

    #[test]
    fn commits_go_on_between_its_pieces_and_it_can_be_broken_off() {
        let (_engine, store) = filled();
        let mut pieces = 0;
        let report = store.scrub_at_leisure(|_| {
            pieces += 1;
            let mut txn = store.begin();
            txn.put::<Names>(&(RECORDS - pieces), &Name("changed meanwhile".to_owned())).unwrap();
            store.commit(txn).unwrap();
            Continue(())
        });
        assert!(report.unwrap().is_clean() && pieces > 1);
        assert_eq!(store.view().scan::<Names>(Span::all()).count(), RECORDS as usize);
        assert_eq!(store.scrub_at_leisure(|_| Break(())).unwrap_err().code(), "storage_broken_off");
        assert_eq!(store.open_exports(), 0);
    }
}
