//! An engine on fjall 3, an LSM tree, for one purpose: to know what sled costs (`examples/engines.rs`). No node opens it.

use std::fs;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;

/// Records in one fjall keyspace.
pub struct FjallEngine {
    db: Database,
    records: Keyspace,
    directory: PathBuf,
}

impl FjallEngine {
    /// Opens the records in `directory`, or makes them. `cache_bytes` bounds the block cache.
    pub fn open(directory: &Path, cache_bytes: u64) -> Result<FjallEngine, Fault> {
        fs::create_dir_all(directory).map_err(|error| Fault::io("create", directory, error))?;
        let open = || {
            // Flushing is the owner's decision: it knows what must be durable before what.
            let db =
                Database::builder(directory).cache_size(cache_bytes).manual_journal_persist(true).open()?;
            let records = db.keyspace("records", KeyspaceCreateOptions::default)?;
            Ok((db, records))
        };
        let (db, records) = open().map_err(|error| fault("open its files", &error))?;
        Ok(FjallEngine { db, records, directory: directory.to_owned() })
    }
}

impl Engine for FjallEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        let found = self.records.get(key).map_err(|error| fault("read a record", &error))?;
        Ok(found.map(|value| Raw::from(&*value)))
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let found = match range.end {
            Some(end) => self.records.range(range.start..end),
            None => self.records.range(range.start..),
        };
        let raw = |item: fjall::Guard| {
            let (key, value) = item.into_inner().map_err(|error| fault("walk over records", &error))?;
            Ok((Raw::from(&*key), Raw::from(&*value)))
        };
        match direction {
            Direction::Forward => Box::new(found.map(raw)),
            Direction::Reverse => Box::new(found.rev().map(raw)),
        }
    }

    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        let written = match value {
            Some(value) => self.records.insert(&**key, &**value),
            None => self.records.remove(&**key),
        };
        written.map_err(|error| fault("write a record", &error))
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        let mut writes = self.db.batch();
        for (key, value) in batch.into_writes() {
            match value {
                Some(value) => writes.insert(&self.records, &*key, &*value),
                None => writes.remove(&self.records, &*key),
            }
        }
        writes.commit().map_err(|error| fault("write a batch", &error))
    }

    fn flush(&self) -> Result<(), Fault> {
        self.db.persist(PersistMode::SyncAll).map_err(|error| fault("flush", &error))
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.db.disk_space().map_err(|error| fault("measure its files", &error))
    }

    fn is_durable(&self) -> bool {
        true
    }

    /// Its files stay: whoever measures removes them.
    fn retire(&self) {
        tracing::debug!(directory = %self.directory.display(), "retired");
    }
}

fn fault(doing: &'static str, error: &fjall::Error) -> Fault {
    Fault::Engine { doing, detail: error.to_string() }
}
