//! The images in a backup, before the records that name them.

use std::io::Write;
use std::time::Instant;

use storage::{BlobHash, BlobStore, MAX_BLOB_BYTES};

use super::cipher::{SealedWrite, Sealer};
use super::error::BackupError;
use crate::leisure::rest_after;

/// What one begins with, and what is there instead when no more follow.
pub(super) const ONE: u8 = 1;
pub(super) const END: u8 = 0;
/// What is between [`ONE`] and the bytes.
pub(super) const HEAD_BYTES: usize = 36;
/// Looked up at once.
const PAGE: usize = 1_000;

/// Writes all images of this node. `go_on` ends it by returning false.
pub(super) fn write(
    images: &BlobStore,
    out: &mut Sealer<impl Write>,
    failed: impl Fn(SealedWrite) -> BackupError,
    mut go_on: impl FnMut() -> bool,
) -> Result<(), BackupError> {
    let mut after = None;
    loop {
        let page = images.list(after, PAGE);
        after = page.last().copied();
        for hash in page {
            let began = Instant::now();
            match images.get(hash) {
                Ok(Some(bytes)) => {
                    out.write(&head(hash, bytes.len())).map_err(&failed)?;
                    out.write(&bytes).map_err(&failed)?;
                }
                Ok(None) => {}
                // The other nodes have it: this one gets it again, for the next backup.
                Err(fault) => {
                    tracing::error!(code = fault.code(), %fault, "an image is missing in this backup")
                }
            }
            if !go_on() {
                return Err(BackupError::Stopped);
            }
            std::thread::sleep(rest_after(began.elapsed()));
        }
        if after.is_none() {
            return out.write(&[END]).map_err(&failed);
        }
    }
}

fn head(hash: BlobHash, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    [&[ONE][..], &hash.0, &length.to_be_bytes()].concat()
}

/// The hash and the length that follow [`ONE`]; `None` when it is too long to be an image.
pub(super) fn parse(head: &[u8]) -> Option<(BlobHash, usize)> {
    let (hash, length) = head.split_first_chunk::<32>()?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    (length <= MAX_BLOB_BYTES).then_some((BlobHash(*hash), length))
}

#[cfg(test)]
mod tests {
    use storage::{BlobHash, MAX_BLOB_BYTES};

    use super::{HEAD_BYTES, head, parse};

    /// Backups lie for years: a change here is a new version.
    #[test]
    fn golden_bytes() {
        let (hash, bytes) = (BlobHash([7; 32]), head(BlobHash([7; 32]), 0x0001_0203));
        assert_eq!(bytes, [&[1][..], &[7; 32], &[0, 1, 2, 3]].concat());
        assert_eq!((bytes.len(), parse(&bytes[1..])), (1 + HEAD_BYTES, Some((hash, 0x0001_0203))));
        assert_eq!(parse(&head(hash, MAX_BLOB_BYTES + 1)[1..]), None);
        assert_eq!(parse(&bytes[2..]), None);
    }
}
