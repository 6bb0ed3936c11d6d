//! A node of a cluster that commits bytes and knows nothing else: log, engine, consensus and QUIC as in `shopnode`, without
//! a shop. What the log itself can do, beside etcd, for `tests/bench`.
//!
//! ```text
//! shopnode-commits prepare --directory DIR                                    identities of nodes 1, 2 and 3
//! shopnode-commits run --directory DIR --node 1 --cluster 127.0.0.1:PORT --serve 127.0.0.1:PORT --peer 2=ADDRESS --peer 3=ADDRESS
//! ```
//!
//! Node 1 founds the cluster and takes the others in. Clients speak etcd's `KV/Put` (see `serve.rs`).

mod keeper;
mod serve;
mod tcp;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use net::{Authority, ClusterId, Identity, NodeId, QuicConfig, QuicTransport, Transport, Validity};
use raft::{Config, Host, NodeInfo, Timings};
use storage::Store;
use tokio::time::{Instant, sleep};

use crate::keeper::{FixedClock, Keeper};
use crate::tcp::TcpTransport;

/// As `shopnode` ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLUSTER: ClusterId = ClusterId(*b"a cluster's name");
const NODES: u64 = 3;
/// From 2020 to 2096.
const VALIDITY: Validity = Validity { from_ms: 1_600_000_000_000, until_ms: 4_000_000_000_000 };
/// As `shopnode` ships.
const CACHE_BYTES: u64 = 64 << 20;
const FOUNDED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Makes the nodes' certificates.
    Prepare {
        #[arg(long)]
        directory: PathBuf,
    },
    /// Runs one node until it is ended.
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    node: NodeId,
    /// Where the other nodes reach this one.
    #[arg(long)]
    cluster: SocketAddr,
    /// Where clients do.
    #[arg(long)]
    serve: SocketAddr,
    /// `ID=ADDRESS` of each other node; none for a cluster of one.
    #[arg(long = "peer")]
    peers: Vec<String>,
    /// The timing of a quiet network.
    #[arg(long)]
    fast: bool,
    /// Plain TCP between nodes, which nobody should use: shows what QUIC with TLS costs.
    #[arg(long)]
    plain: bool,
    /// Keeps the commands where records are neither digested nor copied: shows what the digest costs.
    #[arg(long)]
    undigested: bool,
    /// Keeps a copy of the state open, so that each commit publishes pre-images.
    #[arg(long)]
    exporting: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // Without any, spans are written as log lines that nobody reads.
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::default())?;
    match Cli::parse().verb {
        Verb::Prepare { directory } => prepare(&directory),
        Verb::Run(run) => run.until_ended().await,
    }
}

fn prepare(directory: &Path) -> Result<()> {
    let authority = Authority::generate(CLUSTER, VALIDITY)?;
    for node in 1..=NODES {
        let identity = authority.issue(node, VALIDITY)?;
        let home = directory.join(node.to_string());
        fs::create_dir_all(&home)?;
        fs::write(home.join("authority"), authority.certificate())?;
        fs::write(home.join("certificate"), identity.certificate())?;
        fs::write(home.join("key"), identity.key_der())?;
    }
    Ok(())
}

impl Run {
    async fn until_ended(self) -> Result<()> {
        let home = self.directory.join(self.node.to_string());
        let store = Arc::new(Store::open_dir(&home.join("state"), CACHE_BYTES)?);
        // As a node brings it there within seconds.
        store.allow_blocks();
        if store.wants_blocks() {
            store.rebuild(|_| ControlFlow::Continue(()))?;
        }
        let mut config = Config::new(self.node, "commits");
        if self.fast {
            config.timings = Timings::FAST;
        }
        let keeper = Keeper { undigested: self.undigested };
        let transport = self.transport(&home)?;
        let host =
            Host::start(config, keeper, store.clone(), home.join("wal"), transport, Arc::new(FixedClock))
                .await?;
        if self.exporting {
            tokio::spawn(keeper::keep_exporting(store));
        }
        // Started again it is in its cluster already, whether or not its status says so yet.
        if self.node == 1 && host.bootstrap(info(self.cluster.to_string())).await? {
            self.take_in(&host).await?;
        }
        serve::forever(self.serve, host).await
    }

    fn transport(&self, home: &Path) -> Result<Arc<dyn Transport>> {
        if self.plain {
            return Ok(Arc::new(TcpTransport::new(self.node, self.cluster)));
        }
        let part = |name| fs::read(home.join(name)).with_context(|| format!("{name}: run `prepare` first"));
        let identity =
            Identity::from_der(CLUSTER, vec![part("authority")?], part("certificate")?, part("key")?)?;
        Ok(Arc::new(QuicTransport::new(QuicConfig::new(identity, self.cluster))))
    }

    /// Lets the others vote once they have caught up.
    async fn take_in(&self, host: &Host) -> Result<()> {
        let deadline = Instant::now() + FOUNDED_WITHIN;
        let mut voters = BTreeSet::from([self.node]);
        for peer in &self.peers {
            let (id, address) = peer.split_once('=').context("--peer ID=ADDRESS")?;
            let id = id.parse()?;
            while let Err(error) = host.add_learner(id, info(address.to_owned()), deadline).await {
                if Instant::now() > deadline {
                    bail!("node {id} does not come: {error}");
                }
                sleep(Duration::from_millis(50)).await;
            }
            voters.insert(id);
        }
        while let Err(error) = host.set_voters(voters.clone(), deadline).await {
            if Instant::now() > deadline {
                bail!("the voters do not change: {error}");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn info(cluster: String) -> NodeInfo {
    NodeInfo { cluster, ..NodeInfo::default() }
}
