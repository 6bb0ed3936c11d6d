//! Where a node keeps its backups: a directory or a bucket. Whoever asks over HTTP names a backup, never a place.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use super::bucket::{Bucket, Object};
use super::directory::Directory;
use super::error::BackupError;
use super::manifest::Manifest;
use super::name::Name;
use super::open::manifest_of;

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    pub name: Name,
    pub bytes: u64,
    /// `None`: the file says nothing that can be read.
    pub manifest: Option<Manifest>,
}

/// All backups of a node. Every call blocks.
#[derive(Debug, Clone)]
pub struct Shelf(Place);

#[derive(Debug, Clone)]
enum Place {
    Directory(Directory),
    Bucket(Bucket),
}

/// Where one backup is.
#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    Object(Object),
}

impl Source {
    /// Reads it from its beginning.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>, BackupError> {
        match self {
            Source::File(path) => {
                let file = File::open(path).map_err(BackupError::io("open", path.display()))?;
                Ok(Box::new(file))
            }
            Source::Object(object) => Ok(Box::new(object.download()?)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Object(object) => object.fmt(f),
        }
    }
}

impl Shelf {
    pub(super) fn directory(directory: Directory) -> Shelf {
        Shelf(Place::Directory(directory))
    }

    pub(super) fn bucket(bucket: Bucket) -> Shelf {
        Shelf(Place::Bucket(bucket))
    }

    /// Whether the place answers.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn check(&self) -> Result<(), BackupError> {
        match &self.0 {
            Place::Directory(_) => Ok(()),
            Place::Bucket(bucket) => bucket.check(),
        }
    }

    /// Where this backup is.
    ///
    /// # Errors
    /// [`BackupError::Unknown`] if it is not there.
    pub fn find(&self, name: &Name) -> Result<Source, BackupError> {
        match &self.0 {
            Place::Directory(directory) => directory.find(name).map(Source::File),
            Place::Bucket(bucket) => bucket.find(name).map(Source::Object),
        }
    }

    /// Writes a backup that appears under its name only when it is whole and durable.
    ///
    /// # Errors
    /// What `write` returns, or why it could not be kept. Nothing is left of it then.
    pub fn add<T>(
        &self,
        name: &Name,
        write: impl FnOnce(&mut dyn Write, &str) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        match &self.0 {
            Place::Directory(directory) => directory.add(name, write),
            Place::Bucket(bucket) => bucket.add(name, write),
        }
    }

    /// The newest backups first, `limit` of those older than `before`, with what they say of themselves.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn list(&self, before: Option<&Name>, limit: usize) -> Result<Vec<Shelved>, BackupError> {
        let mut wanted = self.all()?;
        wanted.retain(|(name, _)| before.is_none_or(|before| name < before));
        wanted.reverse();
        wanted.truncate(limit);
        let manifests: Vec<Option<Manifest>> = match &self.0 {
            Place::Directory(directory) => {
                let of = |name| manifest_of(&Source::File(directory.path(name))).ok();
                wanted.iter().map(|(name, _)| of(name)).collect()
            }
            Place::Bucket(bucket) => bucket.manifests(wanted.iter().map(|(name, _)| name))?,
        };
        let shelved = |((name, bytes), manifest)| Shelved { name, bytes, manifest };
        Ok(wanted.into_iter().zip(manifests).map(shelved).collect())
    }

    /// Removes what crashes left where that can be told from what others are writing.
    ///
    /// # Errors
    /// When the place cannot be read or a file not be removed.
    pub fn tidy(&self) -> Result<(), BackupError> {
        match &self.0 {
            Place::Directory(directory) => directory.tidy(),
            // Parts of an upload that broke off are nobody's to see; the bucket's lifecycle rule removes them.
            Place::Bucket(_) => Ok(()),
        }
    }

    /// Removes all but the newest `keep` backups (0: none is removed). Returns how many went.
    ///
    /// # Errors
    /// When the place cannot be read or a backup not be removed.
    pub fn prune(&self, keep: usize) -> Result<usize, BackupError> {
        if keep == 0 {
            return Ok(0);
        }
        let all = self.all()?;
        let old = &all[..all.len().saturating_sub(keep)];
        for (name, _) in old {
            match &self.0 {
                Place::Directory(directory) => directory.remove(name)?,
                Place::Bucket(bucket) => bucket.remove(name)?,
            }
        }
        Ok(old.len())
    }

    /// All backups with their sizes, oldest first.
    fn all(&self) -> Result<Vec<(Name, u64)>, BackupError> {
        match &self.0 {
            Place::Directory(directory) => directory.all(),
            Place::Bucket(bucket) => bucket.all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BackupError, Directory, Name, Shelf};

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_old_ones_go() {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::open(&home.path().join("backups")).unwrap();
        let shelf = Shelf::directory(directory.clone());
        let name = |index| Name::fresh("2027-01-31T10:20:30Z", index);
        for index in 1..=4 {
            shelf
                .add(&name(index), |out, what| out.write_all(b"x").map_err(BackupError::io("write", what)))
                .unwrap();
        }
        let failed = shelf.add(&name(9), |_, _| Err::<(), _>(BackupError::Stopped));
        assert_eq!(failed.unwrap_err().code(), "backup_stopped");
        std::fs::write(home.path().join("backups/x.unfinished"), b"half").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.path(&name(0))).unwrap();
        assert_eq!(shelf.find(&name(0)).unwrap_err().code(), "backup_unknown");
        std::fs::remove_file(directory.path(&name(0))).unwrap();
        shelf.tidy().unwrap();
        assert_eq!(shelf.prune(0).unwrap(), 0);
        assert_eq!(shelf.prune(2).unwrap(), 2);
        let left: Vec<_> = shelf.list(None, 10).unwrap().into_iter().map(|shelved| shelved.name).collect();
        assert_eq!(left, [name(4), name(3)]);
        assert_eq!(shelf.list(Some(&name(4)), 10).unwrap().len(), 1);
        assert!(shelf.find(&name(1)).is_err() && shelf.find(&name(4)).is_ok());
        assert_eq!(std::fs::read_dir(home.path().join("backups")).unwrap().count(), 2);
    }
}
