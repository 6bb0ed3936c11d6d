//! Reads a whole backup and recomputes its digests.

use storage::CopyCheck;

use super::error::BackupError;
use super::manifest::{Manifest, tables};
use super::open::{OpenBackup, frame_error};
use super::passphrase::Passphrase;
use super::shelf::Source;

/// Checks everything that can be checked without restoring: passphrase, every chunk, every image's hash, every frame's checksum, the order of
/// records, and the digest of each table against the manifest. `progress` hears how many records are read and how
/// many there are, and ends it by returning false.
///
/// # Errors
/// What is wrong with the file, or why it cannot be read.
pub fn verify(
    source: &Source,
    passphrase: &Passphrase,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<Manifest, BackupError> {
    let mut backup = OpenBackup::open(source, passphrase)?;
    while backup.next_image()?.is_some() {
        if !progress(0, backup.manifest.records) {
            return Err(BackupError::Stopped);
        }
    }
    let mut check = CopyCheck::new();
    while let Some(piece) = backup.next_piece()? {
        check.push(&piece).map_err(frame_error(source))?;
        if !progress(check.records(), backup.manifest.records) {
            return Err(BackupError::Stopped);
        }
    }
    let found = check.finish().map_err(frame_error(source))?;
    let manifest = backup.manifest;
    if found.records != manifest.records || tables(&found.digests) != manifest.tables {
        return Err(BackupError::damaged(
            &source.to_string(),
            "its records are not those that its manifest names",
        ));
    }
    Ok(manifest)
}
