//! An object being written: parts of one size, a few of them under way while the next is filled.

use std::io::{self, Write};

use object_store::{MultipartUpload, ObjectStoreExt};
use tokio::task::JoinSet;

use super::Object;
use super::error::{BucketError, Why};

/// S3 takes parts of 5 MiB to 5 GiB.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// S3 takes no more, so that a backup has 156 GiB at most.
const MOST_PARTS: usize = 10_000;
/// Parts under way. Together with the one that is filled this bounds the memory: 48 MiB.
const AT_ONCE: usize = 2;

/// It is written to, then completed or aborted. It blocks while too many parts are under way.
pub(super) struct Upload {
    object: Object,
    upload: Box<dyn MultipartUpload>,
    part: Vec<u8>,
    sent_bytes: u64,
    sent_parts: usize,
    under_way: JoinSet<object_store::Result<()>>,
}

impl Upload {
    pub(super) fn begin(object: Object) -> Result<Upload, BucketError> {
        let bucket = &object.bucket;
        let upload = bucket.wait("write", &object.url, bucket.store.put_multipart(&object.path))?;
        let (part, under_way) = (Vec::with_capacity(PART_BYTES), JoinSet::new());
        Ok(Upload { object, upload, part, sent_bytes: 0, sent_parts: 0, under_way })
    }

    /// Sends the last part and makes the object appear.
    pub(super) fn complete(&mut self) -> Result<(), BucketError> {
        if !self.part.is_empty() || self.sent_parts == 0 {
            self.send_part()?;
        }
        self.wait_for_fewer_than(1)?;
        let (bucket, url) = (self.object.bucket.clone(), self.object.url.clone());
        let Err(error) = bucket.wait("complete", &url, self.upload.complete()) else { return Ok(()) };
        // An answer that was lost is asked for again, and then there is no such upload any more: its object is there.
        match bucket.wait("look for", &url, bucket.store.head(&self.object.path)) {
            Ok(found) if found.size == self.sent_bytes => Ok(()),
            _ => Err(error),
        }
    }

    /// Gives up what was sent. What cannot be reached is left to the bucket's lifecycle rule.
    pub(super) fn abort(&mut self) {
        self.under_way.abort_all();
        let (bucket, url) = (self.object.bucket.clone(), self.object.url.clone());
        let ended = bucket.wait("give up", &url, async {
            // A part that arrives after the abort would stay.
            while self.under_way.join_next().await.is_some() {}
            self.upload.abort().await
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "parts of a backup that failed stay in the bucket");
        }
    }

    fn send_part(&mut self) -> Result<(), BucketError> {
        if self.sent_parts == MOST_PARTS {
            return Err(BucketError::new("write", &self.object.url, Why::TooLarge(PART_BYTES * MOST_PARTS)));
        }
        self.wait_for_fewer_than(AT_ONCE)?;
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART_BYTES));
        self.sent_bytes += part.len() as u64;
        self.sent_parts += 1;
        let sending = self.upload.put_part(part.into());
        self.under_way.spawn_on(sending, &self.object.bucket.runtime);
        Ok(())
    }

    fn wait_for_fewer_than(&mut self, count: usize) -> Result<(), BucketError> {
        while self.under_way.len() >= count {
            let bucket = &self.object.bucket;
            let under_way = &mut self.under_way;
            bucket.wait("write", &self.object.url, async {
                match under_way.join_next().await {
                    None => Ok(()),
                    Some(Ok(sent)) => sent,
                    Some(Err(error)) => Err(object_store::Error::JoinError { source: error }),
                }
            })?;
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() == PART_BYTES {
            self.send_part().map_err(io::Error::other)?;
        }
        let taken = bytes.len().min(PART_BYTES - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
