//! `shopnode restore`: a new cluster of one node, with the shop of a backup.
//!
//! The state is the backup's but for what belongs to the machines of the old cluster: its nodes, their join tokens and its
//! certificate authorities are left out, so that none of its nodes is known here. The log is empty and goes on behind the
//! backup's index. The new cluster has an id of its own, which the old one's nodes refuse and which refuses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use net::Isolated;
use shop::broker::{FinishJob, JobStatus, queries};
use shop::{Actor, tables};
use storage::{BlobStore, Received, Scope, Store};
use zeroize::Zeroizing;

use super::bucket::{Bucket, Patience};
use super::error::BackupError;
use super::manifest::{Manifest, tables as digests_by_table};
use super::open::{OpenBackup, frame_error};
use super::passphrase::Passphrase;
use super::shelf::Source;
use crate::cli::RestoreArguments;
use crate::clock::SystemClock;
use crate::config::{BucketUrl, Config, SecretFile};
use crate::data_dir::{DataDir, write_private};
use crate::identity::Identity;
use crate::init;
use crate::level;
use crate::node::node_info;
use crate::proposer::Proposer;
use crate::replica::Replica;
use crate::secrets::SealKey;
use crate::telemetry::Metrics;

/// Why a job of the backup is ended.
const JOB_ENDED: &str = "the shop was restored from a backup made while this was under way: begin it again";
/// Jobs are looked through in pieces; no more pieces than this.
const MOST_PIECES: usize = 1_000;
/// One voter elects itself within a second.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Makes the directory of the new cluster's first node.
///
/// # Errors
/// When the backup cannot be used, or the directory holds anything already.
pub fn restore(arguments: &RestoreArguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build()?;
    let text = init::configuration(&arguments.founding())?;
    let passphrase =
        Passphrase::read(&SecretFile::new(arguments.passphrase_file.to_string_lossy())).map_err(told)?;
    let manifest = runtime.block_on(async {
        let from = source(arguments)?;
        Restoring { from, root: arguments.data.clone(), text, passphrase }.run().await
    })?;
    let Manifest { cluster, index, records, created_at, .. } = &manifest;
    eprintln!(
        "restored {records} records of {cluster} as they were at index {index} ({created_at}) to {}",
        arguments.data.display()
    );
    eprintln!("the nodes of the old cluster must never serve again: both would charge cards and send mail");
    eprintln!("serve it with: shopnode run --data {}", arguments.data.display());
    Ok(())
}

/// Where the backup is. It needs a runtime.
fn source(arguments: &RestoreArguments) -> Result<Source> {
    if !BucketUrl::is_meant(&arguments.from) {
        return Ok(Source::File(PathBuf::from(&arguments.from)));
    }
    let url: BucketUrl = arguments.from.parse().with_context(|| arguments.from.clone())?;
    let bucket = Bucket::open(&url, &arguments.bucket.settings(), Patience::Job).map_err(told)?;
    Ok(Source::Object(bucket.object().map_err(told)?))
}

pub(super) struct Restoring {
    pub from: Source,
    pub root: PathBuf,
    /// The text of the new configuration.
    pub text: String,
    pub passphrase: Passphrase,
}

impl Restoring {
    /// The directory becomes a node's with the last step only.
    pub(super) async fn run(self) -> Result<Manifest> {
        let Restoring { from, root, text, passphrase } = self;
        let config = Config::parse(&text, &root.join("config.toml"), std::env::vars())?;
        let opened = tokio::task::spawn_blocking({
            let from = from.clone();
            move || OpenBackup::open(&from, &passphrase)
        });
        // A backup that cannot be opened leaves no trace.
        let mut backup = opened.await?.map_err(told)?;
        level::check_version(backup.manifest.active_version)?;
        let directory = DataDir::create(&root)?;
        seal_key(&config, &directory, backup.seal_key.clone())?;
        let node = Identity::FIRST.node;
        let (state, cache_bytes) = (directory.state(), config.storage.cache_mb * 1024 * 1024);
        let (info, images) = (node_info(&config), directory.blobs());
        let received = tokio::task::spawn_blocking(move || -> Result<Manifest> {
            let store = Store::open_dir(&state, cache_bytes)?;
            level::allow_blocks(&store, backup.manifest.active_version);
            receive_images(&BlobStore::open(&images)?, &mut backup).map_err(told)?;
            let (received, manifest) = receive(&store, &from, backup).map_err(told)?;
            raft::found_on(&store, received, manifest.index, node, info)?;
            Ok(manifest)
        });
        let manifest = received.await?.context("the state cannot be restored")?;
        begin(&root, &config, &directory).await?;
        write_private(&directory.config_file(), text.as_bytes())?;
        directory.finish()?;
        Ok(manifest)
    }
}

/// Lets the new cluster's first node lead once, and says what has ended with the old cluster.
async fn begin(root: &Path, config: &Config, directory: &DataDir) -> Result<()> {
    let (identity, transport) = (Identity::FIRST, Arc::new(Isolated));
    let (clock, metrics) = (SystemClock::start(), Metrics::new()?);
    let replica = Replica::open(config, &identity, directory, transport, clock, &metrics).await?;
    replica.ready(READY_WITHIN).await?;
    let ended = end_jobs(&replica.store, &replica.proposer).await;
    replica.close().await;
    ended?;
    Ok(identity.store(root)?)
}

/// The tables that belong to the machines of a cluster and not to the shop.
fn is_the_shop_s(prefix: u8) -> bool {
    storage::key::is_replicated(prefix)
        && ![tables::NODES, tables::JOIN_TOKENS, tables::AUTHORITIES].contains(&prefix)
}

/// Receives the images, which come first.
fn receive_images(images: &BlobStore, backup: &mut OpenBackup) -> Result<(), BackupError> {
    while let Some(image) = backup.next_image()? {
        images.put(&image)?;
    }
    Ok(())
}

/// Receives the tables of the shop, after all of the backup was checked.
fn receive(
    store: &Store,
    from: &Source,
    mut backup: OpenBackup,
) -> Result<(Received, Manifest), BackupError> {
    let mut incoming = store.receive_only(is_the_shop_s)?;
    while let Some(piece) = backup.next_piece()? {
        incoming.push(&piece).map_err(frame_error(from))?;
    }
    let (records, manifest) = (incoming.records(), backup.manifest);
    let received = incoming.finish().map_err(frame_error(from))?;
    let kept: Vec<(String, String)> = digests_by_table(received.digests()).into_iter().collect();
    let shop_s = |name: &String| u8::from_str_radix(name, 16).is_ok_and(is_the_shop_s);
    let promised: Vec<(String, String)> =
        manifest.tables.clone().into_iter().filter(|(name, _)| shop_s(name)).collect();
    if records != manifest.records || kept != promised {
        let detail = "its records are not those that its manifest names";
        return Err(BackupError::damaged(&from.to_string(), detail));
    }
    Ok((received, manifest))
}

/// The backup's seal key, where the configuration has it; one that is there already has to be the same.
fn seal_key(config: &Config, directory: &DataDir, key: Zeroizing<[u8; 32]>) -> Result<SealKey> {
    let Some(file) = &config.node.seal_key_file else {
        return Ok(SealKey::restore(key, &directory.secrets())?);
    };
    let present = SealKey::load(Some(file), &directory.secrets())?;
    if present.bytes() != &*key {
        bail!(
            "{file} is not the seal key of this backup: leave node.seal_key_file unset, and it is restored"
        );
    }
    Ok(present)
}

/// Jobs of the backup were being done by nodes that are no more, the backup itself among them.
async fn end_jobs(store: &Store, proposer: &Proposer) -> Result<()> {
    let mut after = None;
    for _ in 0..MOST_PIECES {
        let found = queries::jobs(&store.view().in_scope(Scope(1)), after, 100)?;
        for (id, job) in found.items {
            if job.status == JobStatus::Running {
                let command = FinishJob { id, status: JobStatus::Failed, detail: Some(JOB_ENDED.to_owned()) };
                proposer.run(Actor::System, command.into()).await?;
            }
        }
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

fn told(error: BackupError) -> anyhow::Error {
    anyhow!("{error} [{}]", error.code())
}
