//! Backups in a bucket of a server that speaks S3: AWS, MinIO, Ceph and others.
//!
//! `object_store` signs (AWS Signature Version 4 with the hash of each body), pages lists, and repeats what broke off
//! with growing, jittered pauses; what is here bounds it in memory and time and says in words what went wrong. An
//! object appears when its last part is confirmed, whole or not at all. Whoever calls is off the async threads.

mod client;
mod credentials;
mod download;
mod error;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::error::BackupError;
use super::head::MAX_HEAD_BYTES;
use super::manifest::Manifest;
use super::name::Name;
use super::open::manifest_in;
use crate::config::{BucketUrl, S3};

pub use client::Patience;
pub use error::BucketError;

use download::Download;
use error::Why;
use upload::Upload;

/// More are no list of backups but somebody else's bucket.
const MOST_OBJECTS: usize = 100_000;
/// Beginnings of backups that are read at once.
const HEADS_AT_ONCE: usize = 8;

/// A bucket, and the prefix below which backups are.
#[derive(Clone)]
pub struct Bucket {
    url: BucketUrl,
    store: Arc<AmazonS3>,
    runtime: Handle,
    patience: Patience,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).finish_non_exhaustive()
    }
}

/// One object of a bucket.
#[derive(Debug, Clone)]
pub struct Object {
    bucket: Bucket,
    url: BucketUrl,
    path: Path,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Object {
    /// Reads it from its beginning.
    pub(super) fn download(&self) -> Result<impl Read + Send + use<>, BucketError> {
        Download::begin(self.clone())
    }
}

impl Bucket {
    /// Gets ready to call; nothing is sent yet. `settings.url` does not matter, `url` does. It needs a runtime.
    ///
    /// # Errors
    /// When credentials or certificates cannot be had.
    pub fn open(url: &BucketUrl, settings: &S3, patience: Patience) -> Result<Bucket, BackupError> {
        let store = Arc::new(client::make(url, settings, patience)?);
        let runtime = Handle::try_current()
            .map_err(|error| BackupError::io("call", url)(std::io::Error::other(error)))?;
        Ok(Bucket { url: url.clone(), store, runtime, patience })
    }

    /// The object whose key is the whole URL.
    ///
    /// # Errors
    /// When the URL names the bucket only.
    pub fn object(self) -> Result<Object, BackupError> {
        if self.url.key.is_empty() {
            return Err(BackupError::Unknown(self.url.to_string()));
        }
        let (url, path) = (self.url.clone(), Path::from(self.url.key.as_str()));
        Ok(Object { bucket: self, url, path })
    }

    fn object_of(&self, name: &Name) -> Object {
        let url = self.url.below(&name.file());
        let path = Path::from(url.key.as_str());
        Object { bucket: self.clone(), url, path }
    }

    /// Whether the bucket answers to these credentials.
    pub(super) fn check(&self) -> Result<(), BackupError> {
        let prefix = self.prefix();
        let mut objects = self.store.list(prefix.as_ref());
        self.wait("list", &self.url, objects.try_next())?;
        Ok(())
    }

    /// The backup, if it is there.
    pub(super) fn find(&self, name: &Name) -> Result<Object, BackupError> {
        let object = self.object_of(name);
        match self.wait("look for", &object.url, self.store.head(&object.path)) {
            Ok(_) => Ok(object),
            Err(error) if error.is_missing() => Err(BackupError::Unknown(name.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes an object in parts; it appears when the last is confirmed. After an error the parts are given up.
    pub(super) fn add<T>(
        &self,
        name: &Name,
        write: impl FnOnce(&mut dyn Write, &str) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        let object = self.object_of(name);
        let mut upload = Upload::begin(object.clone())?;
        let done = write(&mut upload, &object.to_string());
        match done.and_then(|value| upload.complete().map(|()| value).map_err(BackupError::from)) {
            Ok(value) => Ok(value),
            Err(error) => {
                upload.abort();
                Err(error)
            }
        }
    }

    /// All backups with their sizes in bytes, oldest first.
    pub(super) fn all(&self) -> Result<Vec<(Name, u64)>, BackupError> {
        let prefix = self.prefix();
        let mut objects = self.store.list(prefix.as_ref());
        let listed = async {
            let (mut all, mut seen) = (Vec::new(), 0);
            while let Some(object) = objects.try_next().await? {
                seen += 1;
                if seen > MOST_OBJECTS {
                    return Ok(None);
                }
                // What lies deeper belongs to others.
                let file = match &prefix {
                    Some(prefix) => object.location.as_ref().strip_prefix(prefix.as_ref()),
                    None => Some(object.location.as_ref()),
                };
                let name = file.and_then(|file| Name::of_file(file.trim_start_matches('/')));
                all.extend(name.map(|name| (name, object.size)));
            }
            Ok(Some(all))
        };
        let Some(mut all) = self.wait("list", &self.url, listed)? else {
            return Err(BucketError::new("list", &self.url, Why::TooManyObjects(MOST_OBJECTS)).into());
        };
        all.sort();
        Ok(all)
    }

    /// What these backups say of themselves; `None` for one that cannot be read.
    pub(super) fn manifests<'a>(
        &self,
        names: impl Iterator<Item = &'a Name>,
    ) -> Result<Vec<Option<Manifest>>, BackupError> {
        let objects: Vec<Object> = names.map(|name| self.object_of(name)).collect();
        let of = async |object: &Object| {
            let head = self.store.get_range(&object.path, 0..MAX_HEAD_BYTES as u64).await.ok()?;
            manifest_in(&head[..], &object.to_string()).ok()
        };
        let read =
            async { Ok(futures::stream::iter(&objects).map(of).buffered(HEADS_AT_ONCE).collect().await) };
        Ok(self.wait("read", &self.url, read)?)
    }

    pub(super) fn remove(&self, name: &Name) -> Result<(), BackupError> {
        let object = self.object_of(name);
        Ok(self.wait("remove", &object.url, self.store.delete(&object.path))?)
    }

    fn prefix(&self) -> Option<Path> {
        (!self.url.key.is_empty()).then(|| Path::from(self.url.key.as_str()))
    }

    /// Waits for a call, as long as patience lasts.
    fn wait<T>(
        &self,
        doing: &'static str,
        what: &BucketUrl,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, BucketError> {
        let limit = self.patience.limit();
        let done = self.runtime.block_on(async { tokio::time::timeout(limit, call).await });
        match done {
            Ok(done) => done.map_err(|error| BucketError::new(doing, what, Why::of(&error))),
            Err(_) => Err(BucketError::new(doing, what, Why::Deadline(limit))),
        }
    }
}
