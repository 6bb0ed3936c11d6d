//! An object being read: range by range, each with its own deadline, all of one version of the object.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use object_store::{GetOptions, GetRange, ObjectStore};

use super::Object;
use super::error::{BucketError, Why};

/// The first range; enough for who wants to see the manifest only.
const FIRST_BYTES: u64 = 256 * 1024;
/// The others. This bounds the memory.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// Reads an object from its beginning to its end. It blocks.
pub(super) struct Download {
    object: Object,
    /// Another version of the object is no continuation of this one.
    etag: Option<String>,
    size: u64,
    read: u64,
    piece: Bytes,
}

impl Download {
    pub(super) fn begin(object: Object) -> Result<Download, BucketError> {
        let mut download = Download { object, etag: None, size: FIRST_BYTES, read: 0, piece: Bytes::new() };
        download.next_range(FIRST_BYTES)?;
        Ok(download)
    }

    fn next_range(&mut self, length: u64) -> Result<(), BucketError> {
        let bucket = &self.object.bucket;
        let range = self.read..(self.read + length).min(self.size);
        let expected = range.end - range.start;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.etag.clone(),
            ..GetOptions::default()
        };
        let (meta, piece) = bucket.wait("read", &self.object.url, async {
            let found = bucket.store.get_opts(&self.object.path, options).await?;
            let meta = found.meta.clone();
            Ok((meta, found.bytes().await?))
        })?;
        if self.read == 0 {
            (self.size, self.etag) = (meta.size, meta.e_tag);
        }
        if piece.len() as u64 != expected.min(self.size - self.read) || meta.size != self.size {
            return Err(BucketError::new("read", &self.object.url, Why::Changed));
        }
        self.read += piece.len() as u64;
        self.piece = piece;
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.read < self.size {
            self.next_range(RANGE_BYTES).map_err(io::Error::other)?;
        }
        let length = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}
