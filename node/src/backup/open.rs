//! A backup that is being read.

use std::io::{BufReader, Read};

use storage::BlobHash;
use zeroize::Zeroizing;

use super::cipher::Opener;
use super::create::{WITH_IMAGES, WITHOUT_IMAGES};
use super::error::BackupError;
use super::head::Head;
use super::images;
use super::manifest::Manifest;
use super::passphrase::{KEY_BYTES, Passphrase};
use super::shelf::Source;

/// Its passphrase was right; what is in it comes piece by piece.
pub(super) struct OpenBackup {
    pub manifest: Manifest,
    /// The seal key of the cluster.
    pub seal_key: Zeroizing<[u8; KEY_BYTES]>,
    opener: Opener<BufReader<Box<dyn Read + Send>>>,
    /// What was opened and not read yet.
    rest: Zeroizing<Vec<u8>>,
    /// Whether images are next, and not the export.
    pub has_images: bool,
    what: String,
}

/// What a file says of itself.
pub(super) fn manifest_of(source: &Source) -> Result<Manifest, BackupError> {
    manifest_in(source.open()?, &source.to_string())
}

/// What the beginning of a file says of it; `what` names the file in errors.
pub(super) fn manifest_in(input: impl Read, what: &str) -> Result<Manifest, BackupError> {
    Ok(Head::read(&mut BufReader::new(input), what)?.0.manifest)
}

impl OpenBackup {
    /// Reads the head, and takes the time that the key takes.
    pub(super) fn open(source: &Source, passphrase: &Passphrase) -> Result<OpenBackup, BackupError> {
        let what = source.to_string();
        let mut input = BufReader::with_capacity(256 * 1024, source.open()?);
        let (head, hash) = Head::read(&mut input, &what)?;
        let key = passphrase.key(&head.salt, head.strength)?;
        if key.check() != head.key_check {
            return Err(BackupError::Passphrase(what));
        }
        let mut opener = Opener::new(input, &key, &head, hash, &what)?;
        let piece = opener.next_piece()?.ok_or_else(|| BackupError::Truncated(what.clone()))?;
        let (&version, rest) = piece.split_first().ok_or_else(|| BackupError::Truncated(what.clone()))?;
        if ![WITHOUT_IMAGES, WITH_IMAGES].contains(&version) {
            let (found, known) = (u32::from(version), u32::from(WITH_IMAGES));
            return Err(BackupError::Version { what, found, known });
        }
        let split = rest.split_first_chunk::<KEY_BYTES>();
        let (seal_key, rest) = split.ok_or_else(|| BackupError::Truncated(what.clone()))?;
        let (seal_key, rest) = (Zeroizing::new(*seal_key), Zeroizing::new(rest.to_vec()));
        let has_images = version == WITH_IMAGES;
        Ok(OpenBackup { manifest: head.manifest, seal_key, opener, rest, has_images, what })
    }

    /// The next image, which is what its hash says; `None` when there is no further one. They come before the export.
    pub(super) fn next_image(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        if !self.has_images {
            return Ok(None);
        }
        let what = self.what.clone();
        let damaged = |detail: &str| BackupError::damaged(&what, detail);
        match self.take(1)?[..] {
            [images::ONE] => {}
            [images::END] => {
                self.has_images = false;
                return Ok(None);
            }
            _ => return Err(damaged("there is no image where one should be")),
        }
        let head = images::parse(&self.take(images::HEAD_BYTES)?);
        let (hash, length) = head.ok_or_else(|| damaged("an image is too large"))?;
        let bytes = self.take(length)?;
        if BlobHash::of(&bytes) != hash {
            return Err(damaged("an image is not what its hash says"));
        }
        Ok(Some(bytes))
    }

    /// The next bytes of all.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, BackupError> {
        while self.rest.len() < length {
            let piece = self.opener.next_piece()?.ok_or_else(|| BackupError::Truncated(self.what.clone()))?;
            self.rest.extend_from_slice(&piece);
        }
        Ok(self.rest.drain(..length).collect())
    }

    /// The next piece of the export's frames; `None` at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, BackupError> {
        match self.rest.is_empty() {
            true => self.opener.next_piece(),
            false => Ok(Some(std::mem::take(&mut self.rest))),
        }
    }
}

/// What is wrong with the frames of a file is the file's fault, not this node's.
pub(super) fn frame_error(source: &Source) -> impl Fn(storage::Fault) -> BackupError {
    let what = source.to_string();
    move |fault| match fault {
        storage::Fault::BadCopy { detail } => BackupError::damaged(&what, detail),
        storage::Fault::Incomplete { .. } => BackupError::Truncated(what.clone()),
        other => BackupError::Storage(other),
    }
}
