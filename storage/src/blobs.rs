//! Blobs: what is too large for records and never changes, such as images. A directory of files, each named by the
//! SHA-256 of its bytes, so that equal bytes are one file and a copy from anywhere can be checked.
//!
//! A file gets its name when it is whole and durable, and is read only as what its name says. Unlike elsewhere in this
//! crate a [`Fault`] is that of one file here, and need not end the node: others have the same bytes.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::fault::Fault;

/// The largest blob: 5 MiB.
pub const MAX_BLOB_BYTES: usize = 5 * 1024 * 1024;

/// What a file is called that is being written. A crash leaves it; the next `open` removes it.
const DRAFT: &str = ".new";

/// The SHA-256 of a blob, which is its name. As text: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    pub fn of(bytes: &[u8]) -> BlobHash {
        BlobHash(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the SHA-256 of a blob: 64 lower-case hexadecimal digits")]
pub struct ParseBlobHashError;

impl FromStr for BlobHash {
    type Err = ParseBlobHashError;

    fn from_str(text: &str) -> Result<BlobHash, ParseBlobHashError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ParseBlobHashError),
        };
        let pairs: &[[u8; 2]; 32] = text
            .as_bytes()
            .as_chunks::<2>()
            .0
            .try_into()
            .ok()
            .filter(|_| text.len() == 64)
            .ok_or(ParseBlobHashError)?;
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(BlobHash(hash))
    }
}

/// The blobs of one directory.
#[derive(Debug)]
pub struct BlobStore {
    directory: PathBuf,
    /// The files that are there, by name: what is asked often must not cost a look at the disk.
    known: Mutex<BTreeSet<BlobHash>>,
    /// Held by who gives a file its name, or takes it from one that is damaged.
    names: Mutex<()>,
    drafts: AtomicU64,
}

impl BlobStore {
    /// Opens the directory, which has to be there, and removes what crashes left half written.
    ///
    /// # Errors
    /// [`Fault::Io`] when the directory cannot be read, tidied or synced.
    pub fn open(directory: &Path) -> Result<BlobStore, Fault> {
        let listing = |error| Fault::io("list", directory, error);
        let mut known = BTreeSet::new();
        for entry in fs::read_dir(directory).map_err(listing)? {
            let path = entry.map_err(listing)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(DRAFT) {
                fs::remove_file(&path).map_err(|error| Fault::io("remove", &path, error))?;
            } else if let Ok(hash) = name.parse() {
                known.insert(hash);
            }
        }
        let store = BlobStore {
            directory: directory.to_path_buf(),
            known: Mutex::new(known),
            names: Mutex::new(()),
            drafts: AtomicU64::new(0),
        };
        // A name may be there that was never synced.
        store.sync()?;
        Ok(store)
    }

    /// Keeps these bytes: they are durable when this returns. Those that are there already stay as they are, if they are
    /// sound.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], or [`Fault::Io`] when they cannot be written; nothing is left of them then.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobHash, Fault> {
        if bytes.len() > MAX_BLOB_BYTES {
            return Err(Fault::TooLarge { what: "a blob", found: bytes.len(), limit: MAX_BLOB_BYTES });
        }
        let hash = BlobHash::of(bytes);
        if matches!(self.find(hash), Ok(Some(_))) {
            return Ok(hash);
        }
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = self.directory.join(format!("{hash}.{number}{DRAFT}"));
        let kept = write(&draft, bytes).and_then(|()| self.name(&draft, hash));
        if kept.is_err() {
            // It may not even have been made.
            let _ = fs::remove_file(&draft);
        }
        kept.map(|()| hash)
    }

    /// Gives a durable file its name, which is durable then, too.
    fn name(&self, draft: &Path, hash: BlobHash) -> Result<(), Fault> {
        let path = self.path(hash);
        let _names = self.names();
        fs::rename(draft, &path).map_err(|error| Fault::io("name", &path, error))?;
        self.sync()?;
        self.known().insert(hash);
        Ok(())
    }

    fn sync(&self) -> Result<(), Fault> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| Fault::io("sync", &self.directory, error))
    }

    /// The file of a blob, at its beginning, and its length; `None` if it is not here. All of it was read and is what it
    /// should be.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] when it is damaged: that file is gone then, and the next call says so. [`Fault::Io`] when it
    /// cannot be read.
    pub fn find(&self, hash: BlobHash) -> Result<Option<(File, u64)>, Fault> {
        if !self.contains(hash) {
            return Ok(None);
        }
        if let Look::Sound(file, length) = self.look(hash)? {
            return Ok(Some((file, length)));
        }
        // Once more, while nobody can put a sound file there.
        let _names = self.names();
        let look = self.look(hash)?;
        if let Look::Sound(file, length) = look {
            return Ok(Some((file, length)));
        }
        self.known().remove(&hash);
        if let Look::Missing = look {
            return Ok(None);
        }
        let path = self.path(hash);
        fs::remove_file(&path).map_err(|error| Fault::io("remove", &path, error))?;
        Err(Fault::corrupt("a blob", format!("{hash} has other bytes; the file was removed")))
    }

    /// Reads a file to its end.
    fn look(&self, hash: BlobHash) -> Result<Look, Fault> {
        let path = self.path(hash);
        let reading = |error| Fault::io("read", &path, error);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Look::Missing),
            Err(error) => return Err(reading(error)),
        };
        let (mut digest, mut piece, mut length) = (Sha256::new(), vec![0; 64 * 1024], 0);
        loop {
            let read = file.read(&mut piece).map_err(reading)?;
            if read == 0 {
                break;
            }
            digest.update(&piece[..read]);
            length += read as u64;
        }
        if digest.finalize()[..] != hash.0 {
            return Ok(Look::Damaged);
        }
        file.rewind().map_err(reading)?;
        Ok(Look::Sound(file, length))
    }

    /// The bytes of a blob; `None` if it is not here.
    ///
    /// # Errors
    /// As [`BlobStore::find`].
    pub fn get(&self, hash: BlobHash) -> Result<Option<Vec<u8>>, Fault> {
        let Some((mut file, length)) = self.find(hash)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(|error| Fault::io("read", self.path(hash), error))?;
        Ok(Some(bytes))
    }

    /// Whether there is a file of this name. What is in it shows when it is read.
    pub fn contains(&self, hash: BlobHash) -> bool {
        self.known().contains(&hash)
    }

    /// The first blobs behind `after`, in the order of their hashes, at most `limit`.
    pub fn list(&self, after: Option<BlobHash>, limit: usize) -> Vec<BlobHash> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.known().range((from, Bound::Unbounded)).take(limit).copied().collect()
    }

    fn path(&self, hash: BlobHash) -> PathBuf {
        self.directory.join(hash.to_string())
    }

    fn names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<BlobHash>> {
        // One entry is changed at a time.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file turned out to be.
enum Look {
    /// At its beginning, and how long it is.
    Sound(File, u64),
    Damaged,
    Missing,
}

fn write(draft: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    let mut file = file.map_err(|error| Fault::io("create", draft, error))?;
    file.write_all(bytes).map_err(|error| Fault::io("write", draft, error))?;
    file.sync_all().map_err(|error| Fault::io("sync", draft, error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{BlobHash, BlobStore, MAX_BLOB_BYTES};

    fn open() -> (tempfile::TempDir, BlobStore) {
        let home = tempfile::tempdir().unwrap();
        let store = BlobStore::open(home.path()).unwrap();
        (home, store)
    }

    fn files(home: &tempfile::TempDir) -> usize {
        fs::read_dir(home.path()).unwrap().count()
    }

    #[test]
    fn what_was_put_is_there_under_its_hash_once() {
        let (home, store) = open();
        let hash = store.put(b"abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((hash.to_string().as_str(), known.parse()), (known, Ok(hash)));
        assert_eq!(store.put(b"abc").unwrap(), hash);
        assert_eq!(files(&home), 1);
        let store = BlobStore::open(home.path()).unwrap();
        assert_eq!(store.get(hash).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(store.get(BlobHash([7; 32])).unwrap(), None);
        assert_eq!(store.put(&[]).unwrap(), BlobHash::of(b""));
    }

    #[test]
    fn only_hashes_are_names() {
        let text = BlobHash::of(b"x").to_string();
        for strange in
            ["", "..", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('2', "g")]
        {
            assert!(strange.parse::<BlobHash>().is_err(), "{strange}");
        }
    }

    #[test]
    fn what_a_crash_left_half_written_is_removed_and_strangers_stay() {
        let (home, store) = open();
        let hash = store.put(b"whole").unwrap();
        let draft = home.path().join(format!("{}.0.new", BlobHash::of(b"half")));
        fs::write(&draft, b"ha").unwrap();
        fs::write(home.path().join("README"), b"hello").unwrap();
        let store = BlobStore::open(home.path()).unwrap();
        assert!(!draft.exists());
        assert_eq!(files(&home), 2);
        assert_eq!(store.list(None, 10), [hash]);
    }

    #[test]
    fn a_damaged_file_is_no_file() {
        let (home, store) = open();
        for damage in [&b"wholf"[..], b"who", b"whole and more", b""] {
            let hash = store.put(b"whole").unwrap();
            fs::write(home.path().join(hash.to_string()), damage).unwrap();
            assert_eq!(store.get(hash).unwrap_err().code(), "storage_corrupt");
            assert_eq!((store.get(hash).unwrap(), store.contains(hash), files(&home)), (None, false, 0));
            // Who brings it again mends it, also when nobody has read it meanwhile.
            store.put(b"whole").unwrap();
            fs::write(home.path().join(hash.to_string()), damage).unwrap();
            store.put(b"whole").unwrap();
            assert_eq!(store.get(hash).unwrap().as_deref(), Some(&b"whole"[..]));
        }
        let hash = store.put(b"whole").unwrap();
        fs::remove_file(home.path().join(hash.to_string())).unwrap();
        assert_eq!((store.get(hash).unwrap(), store.contains(hash)), (None, false));
    }

    #[test]
    fn what_is_too_large_leaves_nothing() {
        let (home, store) = open();
        let mut bytes = vec![1; MAX_BLOB_BYTES + 1];
        assert_eq!(store.put(&bytes).unwrap_err().code(), "storage_too_large");
        assert_eq!(files(&home), 0);
        bytes.pop();
        let hash = store.put(&bytes).unwrap();
        assert_eq!(store.get(hash).unwrap().map(|read| read == bytes), Some(true));
    }

    #[test]
    fn a_list_goes_on_where_it_ended() {
        let (_home, store) = open();
        let mut all: Vec<BlobHash> = (0..10u8).map(|at| store.put(&[at]).unwrap()).collect();
        all.sort();
        let mut listed = Vec::new();
        loop {
            let page = store.list(listed.last().copied(), 3);
            assert!(page.len() <= 3);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, all);
    }

    #[test]
    fn many_at_once_put_the_same() {
        let (home, store) = open();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for at in 0..20u8 {
                        store.put(&[at; 100]).unwrap();
                    }
                });
            }
        });
        assert_eq!((files(&home), store.list(None, 100).len()), (20, 20));
    }
}
