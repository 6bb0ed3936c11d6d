//! The engine on sled 0.34.7: the only file that names it. `DESIGN.md` lists its faults and how each is contained here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::removal;

/// The smallest page cache worth having, in bytes: below it every read goes to the disk.
const MIN_CACHE_BYTES: u64 = 8 << 20;

/// Records in one sled tree, so that one batch is one atomic write.
pub struct SledEngine {
    // Dropped in this order: sled must have closed its files before they are removed.
    db: sled::Db,
    sync: FileSync,
    files: Files,
}

/// What sled leaves out when it flushes: on Linux it calls `sync_file_range`, which neither writes the file's metadata nor
/// empties the disk's cache (sync_file_range(2), "Warning"), and pages that it keeps in files of their own it does not
/// sync at all.
struct FileSync {
    log: File,
    large_pages: PathBuf,
    /// Those that are durable, by name: they are written once.
    durable: Mutex<BTreeSet<OsString>>,
}

impl FileSync {
    fn open(directory: &Path) -> Result<FileSync, Fault> {
        let path = directory.join("db");
        let log = File::open(&path).map_err(|error| Fault::io("open", &path, error))?;
        Ok(FileSync { log, large_pages: directory.join("blobs"), durable: Mutex::default() })
    }

    fn run(&self) -> Result<(), Fault> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut is_new) = (BTreeSet::new(), false);
        let listing = |error| Fault::io("list", &self.large_pages, error);
        for entry in fs::read_dir(&self.large_pages).map_err(listing)? {
            let name = entry.map_err(listing)?.file_name();
            if !durable.contains(&name) {
                is_new = true;
                sync_if_there(&self.large_pages.join(&name))?;
            }
            found.insert(name);
        }
        if is_new {
            sync_if_there(&self.large_pages)?;
        }
        *durable = found;
        self.log.sync_all().map_err(|error| Fault::io("sync", self.large_pages.with_file_name("db"), error))
    }
}

/// sled may have removed it meanwhile.
fn sync_if_there(path: &Path) -> Result<(), Fault> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Fault::io("sync", path, error)),
        _ => Ok(()),
    }
}

/// The directory of the records, which goes away with the last handle if it was retired.
struct Files {
    directory: PathBuf,
    retired: AtomicBool,
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed) {
            removal::remove(&self.directory);
        }
    }
}

impl SledEngine {
    /// Opens the records in `directory`, or makes them. `cache_bytes` bounds sled's page cache (at least 8 MiB), not all
    /// of its memory: `DESIGN.md` says what 12 million keys take.
    pub fn open(directory: &Path, cache_bytes: u64) -> Result<SledEngine, Fault> {
        fs::create_dir_all(directory).map_err(|error| Fault::io("create", directory, error))?;
        remove_half_written_snapshots(directory)?;
        let db = sled::Config::new()
            .path(directory)
            .cache_capacity(cache_bytes.max(MIN_CACHE_BYTES))
            .mode(sled::Mode::HighThroughput)
            // Flushing is the owner's decision: it knows what must be durable before what.
            .flush_every_ms(None)
            .open()
            .map_err(|error| fault("open its files", &error))?;
        Ok(SledEngine {
            db,
            sync: FileSync::open(directory)?,
            files: Files { directory: directory.to_owned(), retired: AtomicBool::new(false) },
        })
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        let found = self.db.get(key).map_err(|error| fault("read a record", &error))?;
        Ok(found.map(|value| Raw::from(&*value)))
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let found = match range.end {
            Some(end) => self.db.range(range.start..end),
            None => self.db.range(range.start..),
        };
        let raw = |item: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = item.map_err(|error| fault("walk over records", &error))?;
            Ok((Raw::from(&*key), Raw::from(&*value)))
        };
        match direction {
            Direction::Forward => Box::new(found.map(raw)),
            Direction::Reverse => Box::new(found.rev().map(raw)),
        }
    }

    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        let written = match value {
            Some(value) => self.db.insert(&**key, &**value),
            None => self.db.remove(&**key),
        };
        written.map(drop).map_err(|error| fault("write a record", &error))
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        let mut writes = sled::Batch::default();
        for (key, value) in batch.into_writes() {
            match value {
                Some(value) => writes.insert(&*key, &*value),
                None => writes.remove(&*key),
            }
        }
        self.db.apply_batch(writes).map_err(|error| fault("write a batch", &error))
    }

    fn flush(&self) -> Result<(), Fault> {
        self.db.flush().map_err(|error| fault("flush", &error))?;
        self.sync.run()
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.db.size_on_disk().map_err(|error| fault("measure its files", &error))
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn retire(&self) {
        self.files.retired.store(true, Ordering::Relaxed);
    }
}

/// sled writes `snap.N.generating` while it opens or closes; after a crash a partial one makes every later open fail.
fn remove_half_written_snapshots(directory: &Path) -> Result<(), Fault> {
    let entries = fs::read_dir(directory).map_err(|error| Fault::io("list", directory, error))?;
    for entry in entries {
        let path = entry.map_err(|error| Fault::io("list", directory, error))?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            tracing::info!(file = %path.display(), "half-written sled snapshot removed");
            fs::remove_file(&path).map_err(|error| Fault::io("remove", &path, error))?;
        }
    }
    Ok(())
}

fn fault(doing: &'static str, error: &sled::Error) -> Fault {
    Fault::Engine { doing, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::Files;

    #[test]
    fn only_an_obsolete_state_goes_away() {
        let home = tempfile::tempdir().unwrap();
        drop(Files { directory: home.path().to_owned(), retired: AtomicBool::new(false) });
        assert!(home.path().exists());
        drop(Files { directory: home.path().to_owned(), retired: AtomicBool::new(true) });
        assert!(!home.path().exists());
    }
}
