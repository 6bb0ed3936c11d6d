//! The seal key: the one secret a node keeps in the clear, in a file of its own. It seals all others, so that what is
//! in the log, the state and snapshots is useless without it.

mod derived;
mod envelope;

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::clock::{NoRandomness, random};
use crate::config::{SecretFile, SecretFileError};
use crate::data_dir::{DataDirError, write_private};

pub use derived::{DerivedKey, Purpose};
pub use envelope::SealError;

/// AES-256 and HKDF-SHA256 alike take 32 bytes.
pub(super) const KEY_BYTES: usize = 32;

/// Why the seal key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error("{file} has {found} bytes, a seal key has {KEY_BYTES}: restore the right file from a backup")]
    Length { file: String, found: usize },
    #[error(transparent)]
    Write(#[from] DataDirError),
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Names a seal key without telling anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub(super) [u8; 4]);

/// Seals and opens what is secret inside the replicated state, and derives the keys of single purposes.
pub struct SealKey {
    key: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
}

impl SealKey {
    /// Makes a key and keeps it in `directory`.
    ///
    /// # Errors
    /// When there is no randomness, or the file cannot be made durable.
    pub fn create(directory: &Path) -> Result<SealKey, SealKeyError> {
        let key = Zeroizing::new(random::<KEY_BYTES>()?);
        write_private(&SealKey::file_in(directory), key.as_slice())?;
        Ok(SealKey::from_bytes(key))
    }

    /// Reads the key: from the file that the configuration names, else from `directory`.
    ///
    /// # Errors
    /// When it is not there, open to everybody, or not a key.
    pub fn load(configured: Option<&SecretFile>, directory: &Path) -> Result<SealKey, SealKeyError> {
        let file = match configured {
            Some(file) => file.clone(),
            None => SecretFile::new(SealKey::file_in(directory).to_string_lossy()),
        };
        let bytes = file.read()?;
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
            .map_err(|_| SealKeyError::Length { file: file.to_string(), found: bytes.len() })?;
        Ok(SealKey::from_bytes(Zeroizing::new(key)))
    }

    fn from_bytes(key: Zeroizing<[u8; KEY_BYTES]>) -> SealKey {
        // A hash, under a label of its own, so that the id says nothing about the key.
        let mut labelled = Zeroizing::new(b"shopnode seal key id\0".to_vec());
        labelled.extend_from_slice(key.as_slice());
        let hash = digest(&SHA256, &labelled);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        SealKey { key, id: KeyId(id) }
    }

    fn file_in(directory: &Path) -> PathBuf {
        directory.join("seal.key")
    }

    /// The key that a backup brought, kept in `directory`.
    ///
    /// # Errors
    /// When the file cannot be made durable.
    pub fn restore(key: Zeroizing<[u8; KEY_BYTES]>, directory: &Path) -> Result<SealKey, SealKeyError> {
        write_private(&SealKey::file_in(directory), key.as_slice())?;
        Ok(SealKey::from_bytes(key))
    }

    /// The key itself, for a backup, which encrypts it.
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests;
