//! The redo file: one generation of changes, whole or not there at all.
//!
//! ```text
//! file   = "stateredo", version u8 (1), changes u64 BE, change*, XXH3-128 of all before it, u128 BE
//! change = key length u32 BE, key, 1, value length u32 BE, value    a value to set
//!        | key length u32 BE, key, 0                                a record to remove
//! ```
//!
//! It is written beside its place, made durable and then renamed: a file at its place that cannot be read was damaged,
//! not torn.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use crate::engine::Raw;
use crate::fault::Fault;

use super::pending::{Change, Changes};

const HEAD: &[u8] = b"stateredo\x01";
/// A large file is made durable in steps, so that the log's own small writes need not wait long behind it.
const STEP: usize = 1 << 20;

pub(super) struct Redo {
    directory: PathBuf,
    path: PathBuf,
}

impl Redo {
    pub(super) fn in_directory(directory: &Path) -> Redo {
        Redo { directory: directory.to_owned(), path: directory.join("redo") }
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn size_bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Writes the changes; they are durable when it returns.
    pub(super) fn write(&self, changes: &Changes) -> Result<(), Fault> {
        let bytes = encode(changes);
        let beside = self.directory.join("redo.new");
        let written = File::create(&beside).and_then(|mut file| {
            for step in bytes.chunks(STEP) {
                file.write_all(step)?;
                file.sync_data()?;
            }
            file.sync_all()
        });
        written.map_err(|error| Fault::io("write", &beside, error))?;
        fs::rename(&beside, &self.path).map_err(|error| Fault::io("rename", &beside, error))?;
        self.sync_directory()
    }

    /// The changes of the file that a crash has left, in the order of their keys; nothing when there is none.
    pub(super) fn read(&self) -> Result<Option<Vec<Change>>, Fault> {
        match fs::read(&self.path) {
            Ok(bytes) => match decode(&bytes) {
                Some(changes) => Ok(Some(changes)),
                None => Err(Fault::corrupt(
                    "the redo file of the state",
                    format!("{} is not what was written", self.path.display()),
                )),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::io("read", &self.path, error)),
        }
    }

    pub(super) fn remove(&self) -> Result<(), Fault> {
        fs::remove_file(&self.path).map_err(|error| Fault::io("remove", &self.path, error))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), Fault> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| Fault::io("sync", &self.directory, error))
    }
}

fn encode(changes: &Changes) -> Vec<u8> {
    let mut bytes = HEAD.to_vec();
    bytes.extend((changes.len() as u64).to_be_bytes());
    for (key, value) in changes {
        bytes.extend((key.len() as u32).to_be_bytes());
        bytes.extend_from_slice(key);
        match value {
            Some(value) => {
                bytes.push(1);
                bytes.extend((value.len() as u32).to_be_bytes());
                bytes.extend_from_slice(value);
            }
            None => bytes.push(0),
        }
    }
    let sum = xxh3_128(&bytes);
    bytes.extend(sum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<Change>> {
    let (covered, sum) = bytes.split_last_chunk::<16>()?;
    if xxh3_128(covered) != u128::from_be_bytes(*sum) {
        return None;
    }
    let mut rest = covered.strip_prefix(HEAD)?;
    let (count, behind) = rest.split_first_chunk::<8>()?;
    rest = behind;
    let mut changes = Vec::new();
    for _ in 0..u64::from_be_bytes(*count) {
        let key = field(&mut rest)?;
        let (is_put, behind) = rest.split_first()?;
        rest = behind;
        let value = match is_put {
            0 => None,
            1 => Some(field(&mut rest)?),
            _ => return None,
        };
        changes.push((key, value));
    }
    rest.is_empty().then_some(changes)
}

fn field(rest: &mut &[u8]) -> Option<Raw> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (bytes, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = behind;
    Some(Raw::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::{Redo, decode, encode};
    use crate::write_behind::pending::Changes;

    fn changes() -> Changes {
        let put = |key: &[u8], value: &[u8]| (key.into(), Some(value.into()));
        [put(b"a", b"one"), (b"b".as_slice().into(), None), put(b"c", b"")].into()
    }

    #[test]
    fn its_bytes_stay_as_they_are() {
        let golden = "73746174657265646f01000000000000000300000001610100000003\
                      6f6e6500000001620000000001630100000000";
        let bytes = encode(&changes());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex[..golden.len()], *golden);
        assert_eq!(hex[golden.len()..], *"680a911570d17e666a614e739f0a2b4b");
        assert_eq!(decode(&bytes).unwrap(), changes().into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn damage_is_seen_wherever_it_is() {
        let bytes = encode(&changes());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_none(), "byte {at}");
            assert!(decode(&bytes[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_torn_file_is_none_and_a_damaged_one_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        let redo = Redo::in_directory(directory.path());
        std::fs::write(directory.path().join("redo.new"), b"statere").unwrap();
        assert!(redo.read().unwrap().is_none());
        redo.write(&changes()).unwrap();
        assert_eq!(redo.read().unwrap().unwrap().len(), 3);
        std::fs::write(directory.path().join("redo"), b"statere").unwrap();
        assert_eq!(redo.read().unwrap_err().code(), "storage_corrupt");
        redo.remove().unwrap();
        assert!(!redo.exists());
    }
}
