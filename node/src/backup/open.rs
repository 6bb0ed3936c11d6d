//! A backup that is being read.

use std::io::{BufReader, Read};

use zeroize::Zeroizing;

use super::cipher::Opener;
use super::create::PLAIN_VERSION;
use super::error::BackupError;
use super::head::Head;
use super::manifest::Manifest;
use super::passphrase::{KEY_BYTES, Passphrase};
use super::shelf::Source;

/// Its passphrase was right; what is in it comes piece by piece.
pub(super) struct OpenBackup {
    pub manifest: Manifest,
    /// The seal key of the cluster.
    pub seal_key: Zeroizing<[u8; KEY_BYTES]>,
    opener: Opener<BufReader<Box<dyn Read + Send>>>,
    /// What of the first piece belongs to the export.
    first: Option<Zeroizing<Vec<u8>>>,
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
        if version != PLAIN_VERSION {
            let (found, known) = (u32::from(version), u32::from(PLAIN_VERSION));
            return Err(BackupError::Version { what, found, known });
        }
        let (seal_key, rest) = rest.split_first_chunk::<KEY_BYTES>().ok_or(BackupError::Truncated(what))?;
        let (seal_key, first) = (Zeroizing::new(*seal_key), Some(Zeroizing::new(rest.to_vec())));
        Ok(OpenBackup { manifest: head.manifest, seal_key, opener, first })
    }

    /// The next piece of the export's frames; `None` at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, BackupError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.opener.next_piece(),
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
