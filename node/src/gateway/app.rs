//! What the gateway needs of the node: the replicated core behind a small trait, configuration, keys, and what it
//! keeps itself between requests. Everything here is bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use shop::command::Dedupe;
use shop::ids::RequestId;
use shop::payment::http::Providers;
use shop::{Actor, Code, Command, Envelope, Reply};
use storage::{BlobHash, BlobStore, Fault, Store, View};
use tokio::sync::Semaphore;

use super::balance::Balance;
use super::call::STORE;
use super::idempotency::InFlight;
use super::problem::Problem;
use super::rate_limit::RateLimits;
use super::rendered::Rendered;
use crate::api::{Jobs, SigningSecretsOf};
use crate::auth::{Keys, Known};
use crate::backup::Keeper;
use crate::blobs::Image;
use crate::clock::{SystemClock, fresh_request_id};
use crate::config::{self, Http, RateLimit};
use crate::membership::{Order, Refusal};
use crate::telemetry::{Metrics, current_trace};

/// The most store reads that run at once; more wait for their turn until their deadline.
const READS_AT_ONCE: usize = 32;
/// The most images that are uploaded at once: each is in memory, as a whole.
const UPLOADS_AT_ONCE: usize = 8;
/// The most callers that wait at once for this node to hear whether anybody knows them.
const STRANGERS_AT_ONCE: usize = 64;
/// How long a command may take before its outcome is called unknown: several elections. Without a quorum the answer
/// comes by then, and the client has it within two seconds.
pub const SUBMIT_TIMEOUT: Duration = Duration::from_millis(1_800);

/// How long a read may wait for the state to be fresh enough.
pub const READ_TIMEOUT: Duration = Duration::from_millis(1_800);

/// How fresh a read has to be (`Consistency` header).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Nothing acknowledged before the request is missing: confirmed by a majority.
    Linearizable,
    /// The same as long as clocks do not drift by more than the lease allows.
    Lease,
    /// What this node has applied.
    Local,
}

/// Why the core did not answer. None of it is the client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// No leader is known, or this node is starting or stopping.
    NotReady,
    NoQuorum,
    OutcomeUnknown,
    Overloaded,
    IndexNotReached,
    /// The command is over 256 KiB.
    TooLarge,
    /// This node's storage failed: it is stopping.
    Fault,
}

impl From<Unserved> for Problem {
    fn from(unserved: Unserved) -> Self {
        let code = match unserved {
            Unserved::NotReady => Code::NotReady,
            Unserved::NoQuorum => Code::NoQuorum,
            Unserved::OutcomeUnknown => Code::OutcomeUnknown,
            Unserved::Overloaded => Code::Overloaded,
            Unserved::IndexNotReached => Code::IndexNotReached,
            Unserved::TooLarge => return Problem::new(Code::CommandTooLarge, Code::CommandTooLarge.title()),
            Unserved::Fault => Code::StorageFault,
        };
        Problem::new(code, code.title()).retry_after(1)
    }
}

/// The replicated core, as the gateway sees it.
pub trait Core: Send + Sync + 'static {
    /// Proposes a command and waits until it is applied.
    fn submit(&self, envelope: Envelope, deadline: Instant) -> BoxFuture<'_, Result<Reply, Unserved>>;

    /// Waits until the state of this node is as fresh as asked, and has applied `min_index`.
    fn barrier(
        &self,
        consistency: Consistency,
        min_index: Option<u64>,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Unserved>>;

    /// The index that a view reflects; the view is in the scope of the node's own records.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn applied_index(&self, view: &View<'_>) -> Result<u64, Fault>;

    /// The index up to which this node has applied.
    fn applied(&self) -> u64;

    /// The state.
    fn store(&self) -> &Arc<Store>;

    /// Who is known to call, as of the last commit.
    fn known(&self) -> &Known;

    /// Why this node cannot serve, one reason a line; empty when it can.
    fn unready(&self) -> Vec<String>;

    /// All metrics of this node, those included that are taken when they are asked for.
    ///
    /// # Errors
    /// When a family cannot be written: a fault of this program.
    fn metrics_text(&self) -> Result<String, prometheus::Error>;

    /// The rules by which commands are applied.
    fn active_version(&self) -> u32;

    /// For how long this node has not heard its leader, or as the leader a majority; `None` before it first did.
    fn silence(&self) -> Option<Duration>;

    /// What `GET /admin/v1/cluster` says: asks all members, for half a second at most.
    fn cluster(&self) -> BoxFuture<'_, crate::api::cluster::ClusterView>;

    /// Asks a node to give its state new files when it is its turn.
    fn compact(&self, node: u64, deadline: Instant) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Of each node that belongs, the authority that signed its certificate, as it says itself; `None` of one that does not say.
    fn signers(&self) -> BoxFuture<'_, BTreeMap<u64, Option<[u8; 32]>>>;

    /// A new authority for this cluster, its key sealed.
    ///
    /// # Errors
    /// When it cannot be made.
    fn new_authority(&self) -> anyhow::Result<shop::cluster::AddAuthority>;

    /// Lets the leader know that a member of a consumer group lives.
    fn heartbeat<'a>(
        &'a self,
        group: &'a str,
        member: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), Unserved>>;

    /// The blobs that this node has.
    fn blobs(&self) -> &Arc<BlobStore>;

    /// Keeps an image, on a majority of the voters too.
    fn keep_image(&self, bytes: Bytes) -> BoxFuture<'_, Result<BlobHash, Unserved>>;

    /// An image, whichever node has it; `None` when none has.
    fn image(&self, hash: BlobHash) -> BoxFuture<'_, Result<Option<Image>, Unserved>>;

    /// Sees to it that a majority of the voters has these images, and returns those that no node has.
    fn confirm_images(&self, hashes: Vec<BlobHash>) -> BoxFuture<'_, Result<Vec<BlobHash>, Unserved>>;

    /// Brings here what the other nodes that answer have: all images that the state names.
    fn gather_images(&self) -> BoxFuture<'_, ()>;

    /// Has an order about the cluster's members carried out by whoever leads.
    fn order(&self, order: Order, deadline: Instant) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// What the gateway is made of.
pub struct Parts {
    pub core: Arc<dyn Core>,
    /// This node's id.
    pub node: u64,
    pub clock: SystemClock,
    pub metrics: Metrics,
    pub keys: Keys,
    pub http: Http,
    pub rate_limit: RateLimit,
    pub balance: config::Balance,
    /// Payment providers that an order may name.
    pub providers: Providers,
    /// Backups, as this node is configured to make them.
    pub backups: Arc<Keeper>,
    /// Who may send webhooks.
    pub webhooks: SigningSecretsOf,
}

/// The gateway's state: cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    pub parts: Parts,
    /// The base of links and the issuer of tokens.
    pub public_base: String,
    pub rate_limits: Arc<RateLimits>,
    /// Whom this node lets answer when it is busy.
    pub elsewhere: Arc<Balance>,
    pub in_flight: Arc<InFlight>,
    pub jobs: Jobs,
    pub rendered: Rendered,
    pub reads: Arc<Semaphore>,
    /// Images that are uploaded at once.
    pub uploads: Semaphore,
    /// Callers that wait to be known.
    pub strangers: Semaphore,
    /// When what waits was counted last.
    pub counted: tokio::sync::Mutex<Option<Instant>>,
    /// Requests served at once.
    pub admission: Arc<Semaphore>,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        let public_base = parts.http.public_base();
        let rate_limits = Arc::new(RateLimits::new(&parts.rate_limit));
        let elsewhere = Arc::new(Balance::new(&parts.balance, parts.metrics.clone()));
        let admission = Arc::new(Semaphore::new(super::limits::REQUESTS_AT_ONCE));
        Self(Arc::new(Shared {
            parts,
            public_base,
            rate_limits,
            elsewhere,
            in_flight: Arc::new(InFlight::default()),
            jobs: Jobs::default(),
            rendered: Rendered::default(),
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            strangers: Semaphore::new(STRANGERS_AT_ONCE),
            counted: tokio::sync::Mutex::default(),
            admission,
        }))
    }
}

impl App {
    /// An id for a request of the node's own.
    ///
    /// # Errors
    /// `internal` when the operating system gives no randomness.
    pub fn fresh_request(&self) -> Result<RequestId, Problem> {
        fresh_request_id(&self.clock).map_err(|error| {
            tracing::error!(%error, "a request could not be named");
            Problem::new(Code::Internal, "the request could not be named")
        })
    }

    /// Submits a command that does no harm twice.
    ///
    /// # Errors
    /// Why there is no reply; a rejection is a reply.
    pub async fn submit_as(
        &self,
        actor: Actor,
        request: RequestId,
        command: impl Into<Command>,
        deadline: Instant,
    ) -> Result<Reply, Problem> {
        let (trace, dedupe, command) = (current_trace(), Dedupe::Idempotent, command.into());
        let envelope = Envelope { store: STORE.0, request, actor, trace, dedupe, command };
        Ok(self.core.submit(envelope, deadline).await?)
    }
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::ops::Deref for Shared {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("public_base", &self.public_base).finish_non_exhaustive()
    }
}
