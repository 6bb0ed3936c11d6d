//! Writes a backup while the shop sells.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use storage::{BlobStore, Export, Store, View};

use super::cipher::{SealedWrite, Sealer};
use super::error::BackupError;
use super::head::Head;
use super::images;
use super::manifest::{Manifest, tables};
use super::passphrase::{Passphrase, Strength};
use crate::clock::random;
use crate::leisure::rest_after;
use crate::secrets::SealKey;

/// The versions of the plain text.
pub(super) const WITHOUT_IMAGES: u8 = 1;
pub(super) const WITH_IMAGES: u8 = 2;

/// What the manifest says beside what the state says.
#[derive(Debug, Clone)]
pub struct About {
    pub cluster: String,
    pub cluster_id: String,
    pub node: u64,
    pub active_version: u32,
    pub created_at: String,
}

/// One moment of a store, and what it is of.
pub struct Moment {
    export: Export,
    index: u64,
    images: Option<Arc<BlobStore>>,
}

impl Moment {
    /// The state as it is now; `index` reads the index of a view.
    ///
    /// # Errors
    /// When too many exports are open, or the state cannot be read.
    pub fn of(
        store: &Store,
        index: impl FnOnce(&View<'_>) -> Result<u64, storage::Fault>,
    ) -> Result<Moment, BackupError> {
        let view = store.view();
        Ok(Moment { index: index(&view)?, export: view.export()?, images: None })
    }

    /// With these images, if there are any. They never change, and what the state names is there before it.
    #[must_use]
    pub fn with(mut self, images: &Arc<BlobStore>) -> Moment {
        self.images = (!images.list(None, 1).is_empty()).then(|| images.clone());
        self
    }

    /// The index of the log whose state it is.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.export.digests().count()
    }

    pub(super) fn manifest(&self, about: &About) -> Manifest {
        let digests = self.export.digests();
        Manifest {
            cluster: about.cluster.clone(),
            cluster_id: about.cluster_id.clone(),
            node: about.node,
            index: self.index,
            active_version: about.active_version,
            records: digests.count(),
            digest: digests.to_string(),
            tables: tables(digests),
            created_at: about.created_at.clone(),
            shopnode: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Writes the whole moment to `out`, which `what` names in errors. `progress` hears how many records are written and ends it by
/// returning false. It blocks on the disk, and for the key on the processor.
///
/// # Errors
/// Any [`BackupError`]; what was written until then is no backup.
pub fn create(
    moment: &Moment,
    about: &About,
    seal: &SealKey,
    passphrase: &Passphrase,
    strength: Strength,
    out: &mut dyn Write,
    what: &str,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<Manifest, BackupError> {
    let failed = |error: SealedWrite| match error {
        SealedWrite::Io(source) => BackupError::io("write", what)(source),
        SealedWrite::Backup(error) => error,
    };
    let salt = random()?;
    let key = passphrase.key(&salt, strength)?;
    let manifest = moment.manifest(about);
    let head = Head { manifest, strength, salt, nonce_prefix: random()?, key_check: key.check() };
    let (bytes, hash) = head.encode()?;
    out.write_all(&bytes).map_err(BackupError::io("write", what))?;
    let mut sealer = Sealer::new(out, &key, &head, hash)?;
    let version = if moment.images.is_some() { WITH_IMAGES } else { WITHOUT_IMAGES };
    sealer.write(&[version]).map_err(failed)?;
    sealer.write(seal.bytes()).map_err(failed)?;
    if let Some(images) = &moment.images {
        images::write(images, &mut sealer, failed, || progress(0))?;
    }
    let mut reader = moment.export.reader(&[])?;
    loop {
        let began = Instant::now();
        let Some(frame) = reader.next_frame()? else { break };
        sealer.write(&frame).map_err(failed)?;
        if !progress(reader.records()) {
            return Err(BackupError::Stopped);
        }
        if !moment.export.is_crowded() {
            std::thread::sleep(rest_after(began.elapsed()));
        }
    }
    sealer.finish().map_err(failed)?;
    Ok(head.manifest)
}
