//! `shopnode run`: opens a node, serves it, and ends it cleanly.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use net::{GossipConfig, Pace};
use storage::Fault;
use tokio::net::TcpListener;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::Keys;
use crate::backup::Keeper;
use crate::cli::RunArguments;
use crate::config::{Config, RaftProfile};
use crate::enrolment::Steward;
use crate::fence::Reason;
use crate::gateway::{self, App};
use crate::membership;
use crate::node::{Node, configured, node_name};
use crate::rejoin;
use crate::replica::ReplicaError;
use crate::scrub;
use crate::service_manager::ServiceManager;
use crate::telemetry::{self, Metrics};
use crate::third_parties;
use crate::timekeeping::{self, Timekeeping};
use crate::workers::{self, Workers};

/// What is left when the node is closed (a stuck name lookup, say) is not waited for any longer than this.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// How long closing the log and the state may take. What is not written by then is replayed from the log at the next start:
/// a node that cannot stop is worse.
const CLOSING: Duration = Duration::from_secs(20);

/// How long saying goodbye to the other nodes may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long a node may take to be ready before it listens.
const READY_BEFORE_LISTENING: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps the node from starting, and a storage fault while it runs.
pub fn run(arguments: &RunArguments) -> Result<()> {
    let (data, config) = configured(arguments.data.as_deref(), arguments.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("gateway")
        .build()
        .context("cannot start threads")?;
    let logs = telemetry::install(&config.telemetry, &node_name(&config), Some(runtime.handle()))?;
    let ended = runtime.block_on(serve(config, &data));
    logs.flush();
    runtime.shutdown_timeout(LEFTOVERS);
    match ended? {
        Ending::Asked => Ok(()),
        Ending::NeedsCopy => start_again(),
    }
}

/// Why serving has ended.
enum Ending {
    Asked,
    /// A majority has another state: this node starts again with a copy of it.
    NeedsCopy,
}

/// Takes this process' place, with the same arguments. A service manager does it itself, and counts.
fn start_again() -> Result<()> {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        bail!("this node's state is not that of the majority: it takes a copy when it is started again");
    }
    let program = std::env::current_exe().context("cannot find this program to start it again")?;
    let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
    Err(error).context("cannot start again to take a copy of the state: start this node again")
}

async fn serve(config: Config, data: &Path) -> Result<Ending> {
    let address = config.http.listen;
    let node = Node::open(config, data, Metrics::new()?).await?;
    let stop_delay = Duration::from_millis(node.config.http.stop_delay_ms);
    node.shutdown.on_signals(stop_delay).context("cannot listen for signals")?;
    // Most nodes can serve at once; those who ask then get an answer and not an excuse. One that cannot says why.
    let (app, _) = tokio::join!(gateway_app(&node), node.replica.ready(READY_BEFORE_LISTENING));
    let app = app?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (http.listen); is another server there?"))?;
    let address = listener.local_addr()?;
    let cluster = node.cluster_address();
    if node.config.cluster.is_unreachable() {
        tracing::warn!(
            cluster,
            "no other node can reach that address: set cluster.advertise before one joins"
        );
    }
    let steward = tokio::spawn(Steward::new(node.clone()).run());
    tracing::info!(node = node.identity.node, http = %address, cluster, data = %data.display(), "serving");
    tell_service_manager(&node, address);
    let ended = until_the_end(&node, app, listener).await;
    // What it does is done again at the next start.
    steward.abort();
    let _ = steward.await;
    if tokio::time::timeout(CLOSING, node.replica.close()).await.is_err() {
        tracing::error!(
            "the state was not closed in time: this process ends without, and the next start replays the log"
        );
        // Whoever drops the state waits for its files: the end of the process does not.
        std::mem::forget(node);
    }
    tracing::info!("ended");
    ended
}

/// Lets systemd know that the node serves, lives, and ends. A node whose storage has failed gives no sign of life.
fn tell_service_manager(node: &Arc<Node>, http: SocketAddr) {
    let Some(manager) = ServiceManager::of_process() else { return };
    manager.ready(&format!("node {} serves {http}", node.identity.node));
    let (shutdown, faulted) = (node.shutdown.clone(), node.replica.host.faulted());
    tokio::spawn(async move {
        let healthy = || faulted.borrow().is_none();
        let lives = async {
            manager.live(healthy).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = lives => {}
            () = shutdown.begun() => manager.stopping(),
        }
    });
}

async fn gateway_app(node: &Arc<Node>) -> Result<App> {
    Ok(App::new(gateway::Parts {
        core: node.clone(),
        node: node.identity.node,
        clock: node.clock,
        metrics: node.metrics.clone(),
        keys: keys(node).await?,
        http: node.config.http.clone(),
        rate_limit: node.config.rate_limit.clone(),
        balance: node.config.balance.clone(),
        providers: third_parties::accepted(&node.config),
        backups: Arc::new(keeper(node)),
        webhooks: third_parties::webhooks(&node.config)?,
    }))
}

fn keeper(node: &Node) -> Keeper {
    Keeper {
        settings: node.config.backup.clone(),
        seal: node.seal.clone(),
        cluster: node.config.cluster.name.clone(),
        cluster_id: node.identity.cluster.map(|cluster| cluster.to_string()).unwrap_or_default(),
        node: node.identity.node,
    }
}

fn start_workers(node: &Node) -> Result<Workers> {
    Ok(Workers::start(workers::Parts {
        replica: node.replica.clone(),
        clock: node.clock,
        metrics: node.metrics.clone(),
        node: node.identity.node,
        settings: node.config.workers.clone(),
        providers: third_parties::providers(&node.config)?,
        mail: third_parties::mail(&node.config.mail)?,
        sms: third_parties::sms(&node.config.sms)?,
    }))
}

fn start_membership(node: &Node) -> membership::Running {
    let config = &node.config;
    let gossip = GossipConfig {
        node: node.identity.node,
        address: node.info().cluster,
        started_ms: node.clock.now_ms(),
        pace: match config.raft.profile {
            RaftProfile::Wan => Pace::WAN,
            RaftProfile::Lan | RaftProfile::Fast => Pace::LAN,
        },
        // Chooses whom to probe: any number that differs between nodes.
        seed: node.clock.now_ms() ^ node.identity.node,
    };
    let peers = node.replica.peers.clone();
    node.membership.start(gossip, move || peers.own_load())
}

/// Serves until shutdown begins or storage fails. Then requests and background work finish side by side.
async fn until_the_end(node: &Node, app: App, listener: TcpListener) -> Result<Ending> {
    let workers = start_workers(node)?;
    let membership = start_membership(node);
    let exchange =
        tokio::spawn(gateway::exchange_limits(app.rate_limits.clone(), node.replica.peers.clone()));
    let reads = ReadsAmongNodes::begin(node, &app);
    let reading_stop = CancellationToken::new();
    let mut compaction = tokio::spawn({
        let (compactor, parts, stop) =
            (node.compactor.clone(), node.compaction_parts(), reading_stop.clone());
        async move { compactor.run(&parts, &stop).await }
    });
    let mut scrubbing = tokio::spawn({
        let (parts, stop) = (node.scrub_parts(), reading_stop.clone());
        async move { scrub::run(&parts, &stop).await }
    });
    let keeping = Timekeeping::new(node.replica.clone(), node.clock, node.metrics.clone());
    let keeping = AbortOnDropHandle::new(tokio::spawn(keeping.run(timekeeping::LOOK_EVERY)));
    let consumers = node.consumers.clone().watch(node.replica.clone(), node.metrics.clone());
    let consumers = AbortOnDropHandle::new(tokio::spawn(consumers));
    let blobs = AbortOnDropHandle::new(tokio::spawn(node.blobs.clone().follow()));
    let shutdown = node.shutdown.clone();
    let serving = tokio::spawn(gateway::serve(listener, app, async move { shutdown.begun().await }));
    let ending = tokio::select! {
        () = node.shutdown.begun() => Ok(Ending::Asked),
        fault = storage_fault(node) => Err(fault),
        ended = &mut compaction => Err(state_fault(node, ended)),
        ended = &mut scrubbing => match ended {
            Ok(Ok(Some(reason))) => needs_copy(node, &reason),
            ended => Err(state_fault(node, ended.map(|scrubbed| scrubbed.map(drop)))),
        },
        reason = node.replica.fence.watch(&node.replica, &node.directory, &node.metrics) => needs_copy(node, &reason),
    };
    node.shutdown.begin();
    reading_stop.cancel();
    membership.stop(GOODBYE).await;
    let drain = Duration::from_millis(node.config.http.drain_timeout_ms);
    // The gateway keeps its own time: it cuts what is left when the drain time is over.
    let (served, worked) = tokio::join!(serving, tokio::time::timeout(drain, workers.stop()));
    exchange.abort();
    drop((reads, keeping, consumers, blobs));
    // They hold the state: whoever closes that waits for the piece under way.
    if !compaction.is_finished() && tokio::time::timeout(drain, compaction).await.is_err() {
        tracing::warn!("new files of the state were still being written; the next start removes them");
    }
    if !scrubbing.is_finished() && tokio::time::timeout(drain, scrubbing).await.is_err() {
        tracing::warn!("the state was still being read");
    }
    if let Err(error) = served {
        tracing::error!(%error, "the gateway ended by panic");
    }
    if worked.is_err() {
        tracing::warn!("background work was still under way; the next start finds it again");
    }
    ending
}

/// Reads that nodes answer for each other, until dropped.
struct ReadsAmongNodes {
    _for_peers: Arc<gateway::ForPeers>,
    _giving_away: AbortOnDropHandle<()>,
}

impl ReadsAmongNodes {
    fn begin(node: &Node, app: &App) -> ReadsAmongNodes {
        let peers = node.replica.peers.clone();
        let _for_peers = gateway::serve_peers(app.clone(), &peers);
        // Whoever gives reads away has to hear how the others are.
        let (present, balance) = (peers.watch(), app.elsewhere.clone());
        let giving_away = tokio::spawn(async move {
            balance.follow(Arc::new(peers)).await;
            drop(present);
        });
        ReadsAmongNodes { _for_peers, _giving_away: AbortOnDropHandle::new(giving_away) }
    }
}

/// The keys that requests are checked with. Making them computes a slow hash, so it is off the async threads.
async fn keys(node: &Node) -> Result<Keys> {
    let (seal, cluster) = (node.seal.clone(), node.config.cluster.name.clone());
    let public_url = node.config.http.public_url.as_ref().map(|_| node.config.http.public_base());
    let keys = tokio::task::spawn_blocking(move || Keys::new(seal, &cluster, public_url));
    Ok(keys.await??)
}

/// A copy that goes wrong again is no accident: somebody has to look before it is tried once more.
fn needs_copy(node: &Node, reason: &Reason) -> Result<Ending> {
    if node.replica.took_copy {
        bail!(
            "{reason}, again after it has taken a copy: look for what this node does otherwise, and at its disk"
        );
    }
    Ok(Ending::NeedsCopy)
}

/// Whatever looks after the state's files ends by itself only when it has met a fault.
fn state_fault(node: &Node, ended: Result<Result<(), Fault>, JoinError>) -> anyhow::Error {
    match ended {
        Ok(Err(fault)) => {
            let error = ReplicaError::from(fault);
            let advice = rejoin::advice(&error, node.identity.node, node.directory.root());
            anyhow::Error::from(error).context(advice).context("this node's state is damaged and it stops")
        }
        Ok(Ok(())) => anyhow!("looking after the state's files ended unasked"),
        Err(error) => anyhow!("looking after the state's files ended: {error}"),
    }
}

async fn storage_fault(node: &Node) -> anyhow::Error {
    let mut faulted = node.replica.host.faulted();
    match faulted.wait_for(Option::is_some).await {
        Ok(fault) => anyhow!("storage failed and this node stops: {}", fault.as_deref().unwrap_or_default()),
        Err(_) => anyhow!("the replicated log ended unasked"),
    }
}
