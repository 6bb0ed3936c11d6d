//! What a worker sees of the shop: the committed state, its own commands, and the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shop::broker::Events;
use shop::command::{Dedupe, Trace};
use shop::ids::OrderId;
use shop::order::{Order, Orders};
use shop::{Actor, Code, Command, Outcome, Rejection, Timestamp};
use storage::{Fault, Read, Scope, View};
use tokio::sync::Notify;

use crate::backoff;
use crate::clock::{self, SystemClock};
use crate::config::Workers as Settings;
use crate::proposer::ProposeError;
use crate::replica::Replica;
use crate::telemetry::Metrics;

/// The store whose work is done: 1 until there are more.
const STORE: Scope = Scope(1);
/// How long a worker waits for its command to be applied. Nobody waits for the worker.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a worker could not go on. None of it is lost: the next pass finds the same work.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another node holds a newer lease: this worker must stop acting.
    #[error("the lease is over")]
    LeaseOver,
    /// The state no longer allows what the worker was about to do: it has changed meanwhile.
    #[error("refused: {} ({})", .0.code, .0.detail)]
    Refused(Rejection),
    #[error(transparent)]
    NotProposed(#[from] ProposeError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    NoRandomness(#[from] clock::NoRandomness),
    /// An order names a payment provider that this node's configuration does not have.
    #[error("payment provider `{0}` is not configured on this node")]
    NoProvider(&'static str),
    #[error("a read was interrupted")]
    Interrupted,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    replica: Replica,
    clock: SystemClock,
    pub metrics: Metrics,
    pub settings: Settings,
    bell: Arc<Notify>,
}

impl Desk {
    pub fn new(replica: Replica, clock: SystemClock, metrics: Metrics, settings: Settings) -> Self {
        Self { replica, clock, metrics, settings, bell: Arc::default() }
    }

    /// The same desk for another worker: each has a bell of its own.
    pub fn for_another(&self) -> Self {
        Self { bell: Arc::default(), ..self.clone() }
    }

    /// Wakes this desk's worker: something that it began has ended.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits for the bell; a ring that came before is not lost.
    pub async fn bell(&self) {
        self.bell.notified().await;
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether this node has heard from the cluster a moment ago.
    pub fn is_in_touch(&self) -> bool {
        self.replica.host.is_in_touch()
    }

    /// Whether the cluster's active version has this command, as far as this node knows.
    pub fn knows(&self, command: &Command) -> bool {
        command.needs_level() <= self.replica.host.active_version()
    }

    /// One bounded query of one moment's state, off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Trouble> {
        let store = self.replica.store.clone();
        let read = tokio::task::spawn_blocking(move || query(&store.view().in_scope(STORE)));
        read.await.map_err(|_| Trouble::Interrupted)?.map_err(Trouble::Fault)
    }

    /// The rules by which this node applies commands now: it may be behind.
    pub fn active_version(&self) -> u32 {
        self.replica.host.active_version()
    }

    /// Carries out a command as the worker, in the trace of what it belongs to.
    pub async fn submit(
        &self,
        command: impl Into<Command>,
        trace: Option<Trace>,
    ) -> Result<Outcome, Trouble> {
        self.carry_out(command.into(), Dedupe::Idempotent, trace).await
    }

    /// The same for a command whose answer says what it did: attempts on the way get the answer of the one that counted.
    pub async fn submit_once(&self, command: impl Into<Command>) -> Result<Outcome, Trouble> {
        self.carry_out(command.into(), Dedupe::Request, None).await
    }

    async fn carry_out(
        &self,
        command: Command,
        dedupe: Dedupe,
        trace: Option<Trace>,
    ) -> Result<Outcome, Trouble> {
        let request = clock::fresh_request_id(&self.clock)?;
        let proposer = &self.replica.proposer;
        let mut envelope = proposer.envelope(request, Actor::Worker, dedupe, command);
        envelope.trace = envelope.trace.or(trace);
        let reply = proposer.submit(&envelope, Instant::now() + SUBMIT_TIMEOUT).await?;
        match reply.result {
            Ok(outcome) => Ok(outcome),
            Err(rejection) if rejection.code == Code::StaleEpoch => Err(Trouble::LeaseOver),
            Err(rejection) => Err(Trouble::Refused(rejection)),
        }
    }

    pub fn parallel(&self) -> usize {
        (self.settings.parallel as usize).max(1)
    }

    /// The delay after so many failures in a row.
    pub fn backoff(&self, failures: u32) -> Duration {
        let (min, max) = (self.settings.retry_min_ms, self.settings.retry_max_ms);
        backoff::delay(failures, Duration::from_millis(min), Duration::from_millis(max))
    }
}

/// The trace of the request that placed an order, which its first batch of events carries; `None` for one that was trimmed, or
/// had none. Whatever is done for the order later is found there, whoever caused it.
pub fn trace_of(view: &View<'_>, order: &Order) -> Result<Option<Trace>, Fault> {
    let placing = order.history.first().map(|seq| view.get::<Events>(seq)).transpose()?.flatten();
    Ok(placing.and_then(|batch| batch.trace))
}

/// The same of the order with this id.
pub fn trace_of_order(view: &View<'_>, id: OrderId) -> Result<Option<Trace>, Fault> {
    view.get::<Orders>(&id)?.map_or(Ok(None), |order| trace_of(view, &order))
}
