//! Backups as this node is configured to make them.

use std::sync::Arc;

use shop::Timestamp;
use storage::{BlobStore, Fault, Store, View};

use super::bucket::{Bucket, Patience};
use super::create::{About, Moment, create};
use super::directory::Directory;
use super::error::BackupError;
use super::manifest::Manifest;
use super::name::Name;
use super::passphrase::{Passphrase, Strength};
use super::shelf::Shelf;
use super::verify::verify;
use crate::config::Backup as Settings;
use crate::secrets::SealKey;

/// Makes, lists and verifies the backups of one node.
#[derive(Debug)]
pub struct Keeper {
    pub settings: Settings,
    pub seal: Arc<SealKey>,
    /// The cluster's name and id.
    pub cluster: String,
    pub cluster_id: String,
    pub node: u64,
}

impl Keeper {
    /// Where the backups are, for a request that waits.
    ///
    /// # Errors
    /// [`BackupError::NotConfigured`], or why the place cannot be used.
    pub fn shelf(&self) -> Result<Shelf, BackupError> {
        self.shelf_with(Patience::Request)
    }

    fn shelf_with(&self, patience: Patience) -> Result<Shelf, BackupError> {
        match (&self.settings.directory, &self.settings.s3.url) {
            (Some(directory), _) => Ok(Shelf::directory(Directory::open(directory.as_ref())?)),
            (None, Some(url)) => Ok(Shelf::bucket(Bucket::open(url, &self.settings.s3, patience)?)),
            (None, None) => Err(BackupError::NotConfigured("neither backup.directory nor backup.s3.url")),
        }
    }

    fn passphrase(&self) -> Result<Passphrase, BackupError> {
        let file = self.settings.passphrase_file.as_ref();
        Passphrase::read(file.ok_or(BackupError::NotConfigured("no backup.passphrase_file"))?)
    }

    /// Whether a backup could be made.
    ///
    /// # Errors
    /// What is not configured, or not to be had.
    pub fn check(&self) -> Result<(), BackupError> {
        self.passphrase()?;
        self.shelf()?.check()
    }

    /// Writes the state as it is now with the images, and removes backups beyond those to be kept. `images` is called once that moment
    /// is taken: what it names is there then. `progress` hears of records written and of all
    /// there are, and ends it by returning false. It blocks.
    ///
    /// # Errors
    /// Why there is no new backup.
    pub fn create(
        &self,
        store: &Store,
        images: impl FnOnce() -> Arc<BlobStore>,
        index: impl FnOnce(&View<'_>) -> Result<u64, Fault>,
        active_version: u32,
        now: Timestamp,
        mut progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<(Name, Manifest), BackupError> {
        let (shelf, passphrase) = (self.shelf_with(Patience::Job)?, self.passphrase()?);
        shelf.tidy()?;
        let moment = Moment::of(store, index)?.with(&images());
        let about = About {
            cluster: self.cluster.clone(),
            cluster_id: self.cluster_id.clone(),
            node: self.node,
            active_version,
            created_at: now.to_string(),
        };
        let name = Name::fresh(&about.created_at, moment.index());
        let manifest = shelf.add(&name, |out, what| {
            let each = |records| progress(records, moment.records());
            create(&moment, &about, &self.seal, &passphrase, Strength::DEFAULT, out, what, each)
        })?;
        // The backup is there, whatever becomes of older ones: credentials that may not delete are a good idea.
        if let Err(error) = shelf.prune(self.settings.keep as usize) {
            tracing::warn!(code = error.code(), %error, "older backups were not removed");
        }
        Ok((name, manifest))
    }

    /// Reads a whole backup and recomputes its digests. It blocks.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(
        &self,
        name: &Name,
        progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<Manifest, BackupError> {
        let source = self.shelf_with(Patience::Job)?.find(name)?;
        verify(&source, &self.passphrase()?, progress)
    }
}
