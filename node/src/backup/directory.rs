//! Backups in a directory of this machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::BackupError;
use super::name::Name;
use crate::data_dir::make_directory;

/// What was written is made durable in pieces of this size: one large sync at the end would hold up the log's own, on the
/// same disk.
const SYNC_EVERY_BYTES: usize = 16 << 20;

/// What is being written; a crash leaves it, and the next backup removes it.
const UNFINISHED: &str = "unfinished";

/// The directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    directory: PathBuf,
}

impl Directory {
    /// The directory, which is made if it is not there, for its owner only.
    pub(super) fn open(directory: &Path) -> Result<Directory, BackupError> {
        let made = make_directory(directory).map_err(|error| io::Error::other(error.to_string()));
        made.map_err(BackupError::io("make the directory", directory.display()))?;
        Ok(Directory { directory: directory.to_path_buf() })
    }

    /// Where a backup of this name is, or would be.
    pub(super) fn path(&self, name: &Name) -> PathBuf {
        self.directory.join(name.file())
    }

    /// The same, if it is there.
    pub(super) fn find(&self, name: &Name) -> Result<PathBuf, BackupError> {
        let path = self.path(name);
        // Not followed: a link may lead anywhere.
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(path),
            _ => Err(BackupError::Unknown(name.to_string())),
        }
    }

    /// Writes a file that appears under its name only when it is whole and durable. After an error nothing is left of it.
    pub(super) fn add<T>(
        &self,
        name: &Name,
        write: impl FnOnce(&mut dyn Write, &str) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        let draft = self.directory.join(format!("{name}.{UNFINISHED}"));
        let path = self.path(name);
        let keep = || -> Result<T, BackupError> {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
            let file = file.map_err(BackupError::io("create", draft.display()))?;
            let mut out = BufWriter::with_capacity(256 * 1024, Piecemeal { file, unsynced: 0 });
            let value = write(&mut out, &draft.display().to_string())?;
            out.flush().map_err(BackupError::io("write", draft.display()))?;
            out.get_ref().file.sync_all().map_err(BackupError::io("sync", draft.display()))?;
            fs::rename(&draft, &path).map_err(BackupError::io("name", path.display()))?;
            let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
            synced.map_err(BackupError::io("sync", self.directory.display()))?;
            Ok(value)
        };
        let kept = keep();
        if kept.is_err() {
            // It may not even have been made.
            let _ = fs::remove_file(&draft);
        }
        kept
    }

    /// All backups with their sizes in bytes, oldest first.
    pub(super) fn all(&self) -> Result<Vec<(Name, u64)>, BackupError> {
        let mut all = Vec::new();
        for path in self.files()? {
            let name = path.file_name().and_then(|file| file.to_str()).and_then(Name::of_file);
            let bytes = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            all.extend(name.map(|name| (name, bytes)));
        }
        all.sort();
        Ok(all)
    }

    pub(super) fn remove(&self, name: &Name) -> Result<(), BackupError> {
        let path = self.path(name);
        fs::remove_file(&path).map_err(BackupError::io("remove", path.display()))
    }

    /// Removes what crashes left.
    pub(super) fn tidy(&self) -> Result<(), BackupError> {
        for path in self.files()? {
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                fs::remove_file(&path).map_err(BackupError::io("remove", path.display()))?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, BackupError> {
        let entries = fs::read_dir(&self.directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(BackupError::io("list", self.directory.display()))?;
        Ok(entries.iter().map(fs::DirEntry::path).collect())
    }
}

/// A file that is made durable as it grows.
struct Piecemeal {
    file: File,
    unsynced: usize,
}

impl Write for Piecemeal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
