//! From a command to its reply: the one way of the node into the log, whoever leads.

mod retry;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft::{Host, SubmitError};
use shop::command::{Dedupe, Envelope};
use shop::ids::RequestId;
use shop::{Actor, Command, Reply};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::clock::{NoRandomness, SystemClock, fresh_request_id};
use crate::level;
use crate::peers::Peers;
use crate::telemetry::metrics::CommandOutcome;
use crate::telemetry::{Metrics, current_trace};

use retry::Journey;

/// Commands whose outcome may be awaited at once. One more is refused: a queue would only make all of them late.
const IN_FLIGHT: usize = 1024;
/// The store that every command is for, until there are more.
const STORE: u32 = 1;
/// How long the node itself waits for a command of its own.
const OWN_DEADLINE: Duration = Duration::from_secs(5);

/// Why there is no reply. Only [`ProposeError::OutcomeUnknown`] leaves open whether the command took effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    #[error("this node has {IN_FLIGHT} commands under way and takes no more")]
    Overloaded,
    #[error("this node does not lead the cluster")]
    NotLeader,
    /// An older leader during an upgrade: it cannot read the command.
    #[error("the leader does not understand the command: {0}")]
    NotUnderstood(String),
    #[error("no majority of the cluster answers; nothing was changed")]
    NoQuorum,
    #[error("the command may or may not have been carried out: {0}")]
    OutcomeUnknown(String),
    #[error("a command of {bytes} bytes is over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("this node's clock cannot be believed: {0}")]
    ClockAhead(String),
    #[error("this node is stopping")]
    Stopped,
    /// It was not proposed.
    #[error("the command cannot be encoded: {0}")]
    Command(String),
    /// It was carried out.
    #[error("the reply cannot be read: {0}")]
    Reply(String),
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl ProposeError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            ProposeError::Overloaded => "overloaded",
            ProposeError::NotLeader => "not_leader",
            ProposeError::NoQuorum => "no_quorum",
            ProposeError::OutcomeUnknown(_) => "outcome_unknown",
            ProposeError::TooLarge { .. } => "command_too_large",
            ProposeError::ClockAhead(_) => "clock_ahead",
            ProposeError::Stopped | ProposeError::NotUnderstood(_) => "not_ready",
            ProposeError::Command(_) => "command_too_large",
            ProposeError::Reply(_) | ProposeError::Random(_) => "internal",
        }
    }

    fn outcome(&self) -> CommandOutcome {
        match self {
            ProposeError::OutcomeUnknown(_) | ProposeError::Reply(_) => CommandOutcome::Unknown,
            _ => CommandOutcome::Unavailable,
        }
    }
}

/// Submits commands. Cheap to clone.
#[derive(Clone)]
pub struct Proposer {
    host: Host,
    clock: SystemClock,
    metrics: Metrics,
    peers: Peers,
    slots: Arc<Semaphore>,
}

impl Proposer {
    pub fn new(host: Host, peers: Peers, clock: SystemClock, metrics: Metrics) -> Proposer {
        Proposer { host, peers, clock, metrics, slots: Arc::new(Semaphore::new(IN_FLIGHT)) }
    }

    /// The envelope of a command: the store, the trace of the current span, and what the caller says.
    pub fn envelope(&self, request: RequestId, actor: Actor, dedupe: Dedupe, command: Command) -> Envelope {
        Envelope { store: STORE, request, actor, trace: current_trace(), dedupe, command }
    }

    /// Submits a command of the node's own, which the request id protects from taking effect twice.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn run(&self, actor: Actor, command: Command) -> Result<Reply, ProposeError> {
        let request = fresh_request_id(&self.clock)?;
        let envelope = self.envelope(request, actor, Dedupe::Request, command);
        self.submit(&envelope, Instant::now() + OWN_DEADLINE).await
    }

    /// Submits a command and waits for its reply, at most until `deadline`: here if this node leads, else at the leader.
    /// While leaders change it is tried again. A refusal by a guard is a reply.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn submit(&self, envelope: &Envelope, deadline: Instant) -> Result<Reply, ProposeError> {
        let command = envelope.command.name();
        let span = tracing::info_span!("propose", command, index = tracing::field::Empty);
        async {
            let started = Instant::now();
            self.metrics.commands.in_flight.inc();
            let result = self.propose(envelope, deadline).await;
            self.metrics.commands.in_flight.dec();
            let outcome = match &result {
                Ok(reply) if reply.replayed => CommandOutcome::Replayed,
                Ok(reply) if reply.result.is_ok() => CommandOutcome::Done,
                Ok(_) => CommandOutcome::Rejected,
                Err(error) => error.outcome(),
            };
            self.metrics.commands.ended(command, outcome, started.elapsed());
            match &result {
                Ok(reply) => {
                    tracing::Span::current().record("index", reply.index);
                }
                Err(error) => tracing::warn!(command, code = error.code(), %error, "command not answered"),
            }
            result
        }
        .instrument(span)
        .await
    }

    #[cfg(test)]
    pub(crate) fn take_all_slots(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.slots.try_acquire_many(IN_FLIGHT as u32).expect("nothing is under way")
    }

    async fn propose(&self, envelope: &Envelope, deadline: Instant) -> Result<Reply, ProposeError> {
        let _slot = self.slots.try_acquire().map_err(|_| ProposeError::Overloaded)?;
        if let Some(reply) = level::refusal(&self.host, envelope, deadline.into()).await {
            return Ok(reply);
        }
        // Encoding fails at one thing only: the limit of a command.
        let payload = envelope.encode().map_err(|error| ProposeError::Command(error.to_string()))?;
        let journey = Journey {
            host: &self.host,
            peers: &self.peers,
            payload: Bytes::from(payload),
            request: envelope.request,
            dedupe: &envelope.dedupe,
            begun_at: *self.host.applied().borrow(),
            deadline: deadline.into(),
        };
        journey.run().await
    }
}

impl From<SubmitError> for ProposeError {
    fn from(error: SubmitError) -> ProposeError {
        match error {
            SubmitError::NotLeader { .. } => ProposeError::NotLeader,
            SubmitError::NoQuorum => ProposeError::NoQuorum,
            SubmitError::Overloaded => ProposeError::Overloaded,
            SubmitError::TooLarge { bytes, limit } => ProposeError::TooLarge { bytes, limit },
            SubmitError::ClockAhead { .. } => ProposeError::ClockAhead(error.to_string()),
            SubmitError::OutcomeUnknown { why } => ProposeError::OutcomeUnknown(why.to_owned()),
            SubmitError::Stopped => ProposeError::Stopped,
        }
    }
}
