//! From a passphrase to the key of one file: argon2id (RFC 9106), so that guessing is dear.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::config::SecretFile;

/// AES-256 takes 32 bytes.
pub(super) const KEY_BYTES: usize = 32;
pub(super) const SALT_BYTES: usize = 16;
pub(super) const CHECK_BYTES: usize = 16;
/// Fewer bytes are guessed too soon.
const LEAST_BYTES: usize = 12;

/// What every guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// Memory in KiB.
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Strength {
    /// The second recommendation of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    pub const DEFAULT: Strength = Strength { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// Whether a file may ask for this much: a head that somebody made up must not take the machine down.
    pub(super) fn is_bounded(self) -> bool {
        (8..=1024 * 1024).contains(&self.memory_kib)
            && (1..=64).contains(&self.passes)
            && (1..=16).contains(&self.lanes)
    }
}

/// What opens backups; never shown.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The one line of a file.
    ///
    /// # Errors
    /// When it cannot be read, is open to everybody, or is shorter than 12 bytes.
    pub fn read(file: &SecretFile) -> Result<Passphrase, BackupError> {
        Passphrase::new(file.read_line()?)
    }

    pub(super) fn new(text: Zeroizing<String>) -> Result<Passphrase, BackupError> {
        if text.len() < LEAST_BYTES {
            return Err(BackupError::Weak { found: text.len(), least: LEAST_BYTES });
        }
        Ok(Passphrase(text))
    }

    /// The key of the file with this salt. It takes a second or so, and `strength.memory_kib` of memory.
    pub(super) fn key(&self, salt: &[u8; SALT_BYTES], strength: Strength) -> Result<FileKey, BackupError> {
        let refused = |_| BackupError::Crypto;
        let Strength { memory_kib, passes, lanes } = strength;
        let params = Params::new(memory_kib, passes, lanes, Some(KEY_BYTES)).map_err(refused)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), salt, key.as_mut_slice())
            .map_err(refused)?;
        Ok(FileKey(key))
    }
}

/// The key of one file.
pub(super) struct FileKey(Zeroizing<[u8; KEY_BYTES]>);

impl FileKey {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Tells the right key from a wrong one before anything is decrypted, and says nothing about it. It also binds the
    /// file to one key, which AES-GCM by itself does not.
    pub(super) fn check(&self) -> [u8; CHECK_BYTES] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes());
        let tag = hmac::sign(&key, b"shopnode backup key check 1");
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&tag.as_ref()[..CHECK_BYTES]);
        check
    }
}
