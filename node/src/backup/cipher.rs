//! A stream of encrypted chunks: nothing can be left out, moved, repeated or cut off without notice.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::error::BackupError;
use super::head::{Head, HeadHash};
use super::passphrase::FileKey;

/// What one chunk encrypts.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;

/// Key, nonces and what chunks are bound to.
struct Chunks {
    key: LessSafeKey,
    prefix: [u8; 7],
    bound_to: HeadHash,
    next: u32,
}

impl Chunks {
    fn new(key: &FileKey, head: &Head, hash: HeadHash) -> Result<Chunks, BackupError> {
        let key = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| BackupError::Crypto)?;
        Ok(Chunks { key: LessSafeKey::new(key), prefix: head.nonce_prefix, bound_to: hash, next: 0 })
    }

    fn nonce(&self, is_last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..7].copy_from_slice(&self.prefix);
        nonce[7..11].copy_from_slice(&self.next.to_be_bytes());
        nonce[11] = u8::from(is_last);
        Nonce::assume_unique_for_key(nonce)
    }

    /// 2^32 chunks are 256 TiB: a shop that large has other backups.
    fn advance(&mut self) -> Result<(), BackupError> {
        self.next = self.next.checked_add(1).ok_or(BackupError::Crypto)?;
        Ok(())
    }
}

/// Encrypts what is written to it.
pub(super) struct Sealer<W> {
    out: W,
    chunks: Chunks,
    plain: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    pub(super) fn new(out: W, key: &FileKey, head: &Head, hash: HeadHash) -> Result<Self, BackupError> {
        let plain = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        Ok(Sealer { out, chunks: Chunks::new(key, head, hash)?, plain })
    }

    /// Takes bytes of any number. A full chunk is written once a byte follows it: only then it is not the last.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), SealedWrite> {
        while !bytes.is_empty() {
            if self.plain.len() == CHUNK_BYTES {
                self.chunk(false)?;
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.plain.len()));
            self.plain.extend_from_slice(taken);
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the last chunk.
    pub(super) fn finish(mut self) -> Result<(), SealedWrite> {
        self.chunk(true)
    }

    fn chunk(&mut self, is_last: bool) -> Result<(), SealedWrite> {
        let nonce = self.chunks.nonce(is_last);
        let bound_to = Aad::from(self.chunks.bound_to);
        let sealed = self.chunks.key.seal_in_place_append_tag(nonce, bound_to, &mut *self.plain);
        sealed.map_err(|_| BackupError::Crypto)?;
        self.out.write_all(&self.plain).map_err(SealedWrite::Io)?;
        self.plain.clear();
        Ok(self.chunks.advance()?)
    }
}

/// Why a chunk was not written.
#[derive(Debug)]
pub(super) enum SealedWrite {
    Io(io::Error),
    Backup(BackupError),
}

impl From<BackupError> for SealedWrite {
    fn from(error: BackupError) -> Self {
        SealedWrite::Backup(error)
    }
}

/// Decrypts what a [`Sealer`] wrote, chunk by chunk.
pub(super) struct Opener<R> {
    input: R,
    chunks: Chunks,
    /// The chunk to open next, as it lies in the file.
    pending: Vec<u8>,
    ended: bool,
    what: String,
}

impl<R: Read> Opener<R> {
    pub(super) fn new(
        input: R,
        key: &FileKey,
        head: &Head,
        hash: HeadHash,
        what: &str,
    ) -> Result<Self, BackupError> {
        let chunks = Chunks::new(key, head, hash)?;
        let mut opener = Opener { input, chunks, pending: Vec::new(), ended: false, what: what.to_owned() };
        opener.pending = opener.read_chunk()?;
        Ok(opener)
    }

    /// The next piece of the plain text; `None` after the last.
    pub(super) fn next_piece(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let following = self.read_chunk()?;
        let is_last = following.is_empty();
        let sealed = std::mem::replace(&mut self.pending, following);
        let opened = match self.open(sealed.clone(), is_last) {
            Some(opened) => opened,
            // The end of the file is not the end that was written.
            None if is_last && self.open(sealed, false).is_some() => {
                return Err(BackupError::Truncated(self.what.clone()));
            }
            None if is_last && self.chunks.next > 0 => {
                // A last chunk that was cut in two cannot be told from one that was changed.
                let detail = "its end is cut off or changed";
                return Err(BackupError::damaged(&self.what, detail));
            }
            None => {
                let detail = format!("chunk {} is not what was written", self.chunks.next);
                return Err(BackupError::damaged(&self.what, detail));
            }
        };
        self.chunks.advance()?;
        self.ended = is_last;
        Ok(Some(opened))
    }

    fn open(&self, sealed: Vec<u8>, is_last: bool) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(sealed);
        let bound_to = Aad::from(self.chunks.bound_to);
        let length =
            self.chunks.key.open_in_place(self.chunks.nonce(is_last), bound_to, &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }

    /// One whole chunk, or what is left; empty at the end.
    fn read_chunk(&mut self) -> Result<Vec<u8>, BackupError> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        let read = (&mut self.input).take((CHUNK_BYTES + TAG_BYTES) as u64).read_to_end(&mut chunk);
        read.map_err(BackupError::io("read", &self.what))?;
        Ok(chunk)
    }
}
