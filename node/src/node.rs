//! One node, put together: what every part of it is given.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use net::{ClusterId, Isolated, QuicConfig, QuicTransport, Transport};
use raft::NodeInfo;
use storage::{BlobStore, Scope};

use crate::blobs::Blobs;
use crate::clock::SystemClock;
use crate::compaction::{self, Compactor};
use crate::config::Config;
use crate::consumers::Consumers;
use crate::data_dir::DataDir;
use crate::enrolment::{self, Credentials, Enroller, establish, signing_authority};
use crate::gateway;
use crate::identity::Identity;
use crate::membership::Membership;
use crate::peers::Condition;
use crate::peers_file::PeersFile;
use crate::rejoin;
use crate::replica::Replica;
use crate::scrub;
use crate::secrets::SealKey;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// Where the host's name is, on Linux.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// Looks, 10 ms apart, whether the state that was closed is free.
const RELEASE_LOOKS: u32 = 500;
/// How long a cluster of one may take to elect itself.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A node that is open: its directory locked, its state at hand, its log replayed.
#[derive(Debug)]
pub struct Node {
    pub config: Config,
    pub identity: Identity,
    pub directory: DataDir,
    pub seal: Arc<SealKey>,
    pub clock: SystemClock,
    pub metrics: Metrics,
    pub replica: Replica,
    pub blobs: Blobs,
    pub membership: Membership,
    pub compactor: Compactor,
    pub consumers: Consumers,
    /// The socket for the other nodes; `replica` speaks over it too.
    pub endpoint: Arc<QuicTransport>,
    pub shutdown: Shutdown,
    /// Set for good once the records say that this node was removed from the cluster.
    pub is_removed: AtomicBool,
}

impl Node {
    /// Opens everything in order: lock, identity, seal key, state, log. Nothing listens yet.
    ///
    /// # Errors
    /// The first thing that cannot be opened, and what to do about it.
    pub async fn open(config: Config, root: &Path, metrics: Metrics) -> Result<Arc<Node>> {
        let directory = DataDir::open(root)?;
        let mut identity = Identity::load(root)?;
        let seal = Arc::new(SealKey::load(config.node.seal_key_file.as_ref(), &directory.secrets())?);
        let clock = SystemClock::start();
        let cluster = match identity.cluster {
            Some(cluster) => cluster,
            None => found_cluster(&config, &mut identity, &directory, &seal, clock).await?,
        };
        let proof = Credentials::within(&directory.secrets()).load(cluster, identity.node)?;
        let expired = enrolment::expired(&proof, clock.now_ms())?;
        if let Some(expired) = expired
            && rejoin::is_requested(root)
        {
            bail!(rejoin::without_certificate(expired, identity.node, root));
        }
        let endpoint = Arc::new(QuicTransport::new(QuicConfig::new(proof, config.cluster.listen)));
        for (peer, address) in PeersFile::within(root).read() {
            endpoint.know(peer, &address);
        }
        let replica = Replica::open(&config, &identity, &directory, endpoint.clone(), clock, &metrics)
            .await
            .map_err(|error| {
                let advice = rejoin::advice(&error, identity.node, root);
                anyhow::Error::from(error).context(advice)
            })?;
        if let Some(expired) = expired
            && signing_authority(&replica.store.view().in_scope(Scope(1)), &seal)?.is_none()
        {
            replica.close().await;
            bail!(rejoin::without_certificate(expired, identity.node, root));
        }
        let images = directory.blobs();
        let images = tokio::task::spawn_blocking(move || BlobStore::open(&images)).await?;
        let images = images.context("the images of this node cannot be used")?;
        let blobs = Blobs::new(Arc::new(images), replica.host.clone(), replica.peers.clone());
        let membership = Membership::new(replica.clone(), identity.node);
        endpoint.enrol_by(Arc::new(Enroller {
            store: replica.store.clone(),
            proposer: replica.proposer.clone(),
            seal: seal.clone(),
            clock,
            cluster,
            cluster_name: config.cluster.name.clone(),
        }));
        let shutdown = Shutdown::new();
        let node = Arc::new(Node {
            config,
            identity,
            directory,
            seal,
            clock,
            metrics,
            replica,
            blobs,
            membership,
            compactor: Compactor::default(),
            consumers: Consumers::default(),
            endpoint,
            shutdown,
            is_removed: AtomicBool::new(false),
        });
        let told = Arc::downgrade(&node);
        node.replica
            .peers
            .tell(move || told.upgrade().map_or_else(Condition::starting, |node| node.condition()));
        let compactor = node.compactor.clone();
        node.replica.peers.hear_compact(move || compactor.ask());
        node.consumers.listen(&node.replica);
        let endpoint = node.endpoint.clone();
        node.replica.peers.tell_authority(move || enrolment::signer_of(&endpoint.identity()));
        Ok(node)
    }

    /// What compaction needs of this node.
    pub fn compaction_parts(&self) -> compaction::Parts {
        compaction::Parts {
            replica: self.replica.clone(),
            node: self.identity.node,
            settings: self.config.storage.clone(),
            metrics: self.metrics.clone(),
            directory: self.directory.state(),
        }
    }

    /// What a scrub needs of this node.
    pub(crate) fn scrub_parts(&self) -> scrub::Parts {
        scrub::Parts {
            replica: self.replica.clone(),
            clock: self.clock,
            settings: self.config.storage.clone(),
            metrics: self.metrics.clone(),
            root: self.directory.root().to_path_buf(),
        }
    }

    /// Where the other nodes reach this one.
    pub fn cluster_address(&self) -> String {
        self.config.cluster.advertised(self.endpoint.local_address())
    }

    /// Where this node is, for the cluster.
    pub fn info(&self) -> NodeInfo {
        NodeInfo { cluster: self.cluster_address(), ..node_info(&self.config) }
    }

    /// What this node's peers hear of it.
    fn condition(&self) -> Condition {
        Condition {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            http: self.config.http.public_base(),
            draining: self.shutdown.has_begun() || self.membership.is_draining(),
            works: self.config.workers.enabled,
            unready: self.why_unready(),
            load_per_mille: gateway::Balance::load_per_mille(&self.metrics),
        }
    }

    /// Why this node cannot serve right now; nothing when it can.
    pub fn why_unready(&self) -> Vec<String> {
        let mut reasons = self.replica.unready();
        reasons.extend(self.replica.lag(&self.config.http));
        if self.shutdown.is_announced() {
            reasons.push("this node is shutting down".to_owned());
        }
        if self.membership.is_draining() {
            reasons.push("this node is draining".to_owned());
        }
        if self.is_removed.load(Ordering::Relaxed) || self.endpoint.removed_by().is_some() {
            reasons.push("this node was removed from the cluster".to_owned());
        }
        reasons
    }
}

/// Gives the one node of a cluster that has no id yet what `init` gives: an earlier version made it, or it was restored
/// from a backup. The id is written last, so that a crash before it leaves what the next start begins with again.
async fn found_cluster(
    config: &Config,
    identity: &mut Identity,
    directory: &DataDir,
    seal: &SealKey,
    clock: SystemClock,
) -> Result<ClusterId> {
    tracing::info!("this directory has no cluster id yet: making one, with its certificate authority");
    let replica = Replica::open(config, identity, directory, Arc::new(Isolated), clock, &Metrics::new()?)
        .await
        .map_err(|error| {
            let advice = rejoin::advice(&error, identity.node, directory.root());
            anyhow::Error::from(error).context(advice)
        })?;
    let found = async {
        replica.ready(READY_WITHIN).await?;
        let credentials = Credentials::within(&directory.secrets());
        establish(&replica, config, identity.node, seal, &clock, &credentials).await
    };
    let found = found.await;
    replica.close().await;
    let store = replica.store.clone();
    drop(replica);
    // Its files are free once it is closed. Whoever lets go of it last does that, and takes his time: it has to be here.
    for _ in 0..RELEASE_LOOKS {
        if Arc::strong_count(&store) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::task::spawn_blocking(move || drop(store)).await?;
    let cluster = found.context("cannot make a cluster of this node")?.cluster;
    identity.cluster = Some(cluster);
    identity.store(directory.root())?;
    Ok(cluster)
}

/// What a node with this configuration says of itself, reached at `address`.
pub fn own_record(config: &Config, address: &str) -> shop::cluster::NodeInfo {
    shop::cluster::NodeInfo {
        name: config.node.name.clone().unwrap_or_default(),
        zone: config.node.zone.clone(),
        cluster: address.to_owned(),
        http: config.http.public_base(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Where a node with this configuration is.
pub fn node_info(config: &Config) -> NodeInfo {
    NodeInfo {
        name: node_name(config),
        cluster: config.cluster.advertised(None),
        http: config.http.public_base(),
        zone: config.node.zone.clone(),
    }
}

/// What the node is called in logs: as configured, else the host's name.
pub fn node_name(config: &Config) -> String {
    match &config.node.name {
        Some(name) => name.clone(),
        None => std::fs::read_to_string(HOST_NAME)
            .map(|name| name.trim().to_owned())
            .unwrap_or_else(|_| "shopnode".to_owned()),
    }
}

/// The data directory and the configuration that the command line names between them.
///
/// # Errors
/// When the configuration is refused, or neither names a directory.
pub fn configured(data: Option<&Path>, file: Option<&Path>) -> Result<(PathBuf, Config)> {
    let file = match (file, data) {
        (Some(file), _) => file.to_path_buf(),
        (None, Some(data)) => {
            if !DataDir::is_initialised(data) {
                // Said before the configuration is missed, because it is what went wrong.
                DataDir::open(data)?;
            }
            data.join("config.toml")
        }
        (None, None) => anyhow::bail!("neither --data nor --config is given"),
    };
    let config = Config::load(&file, std::env::vars())?;
    let data = match (data, &config.node.data) {
        (Some(data), _) => data.to_path_buf(),
        (None, Some(data)) => PathBuf::from(data),
        (None, None) => {
            anyhow::bail!("no data directory: give --data, or set node.data in {}", file.display())
        }
    };
    Ok((data, config))
}
