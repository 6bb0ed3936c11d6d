//! One authorized request, as a handler sees it: whose it is, what it demands, and how to read and submit.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};
use shop::command::Dedupe;
use shop::ids::RequestId;
use shop::{Actor, Code, Command, Envelope, Reply};
use storage::{Scope, View};

use super::answer::{Done, Seen};
use super::app::{App, Consistency, READ_TIMEOUT, SUBMIT_TIMEOUT};
use super::idempotency::dedupe;
use super::policy::Policy;
use super::problem::Problem;
use super::read::see;
use crate::auth::Principal;
use crate::telemetry::current_trace;

/// The store that requests are for: 1 until there are more.
pub const STORE: Scope = Scope(1);

/// An authorized request. Clones are the same.
#[derive(Debug, Clone)]
pub struct Call(Arc<Authorized>);

/// What is known of it.
#[derive(Debug)]
pub struct Authorized {
    pub app: App,
    pub principal: Principal,
    pub request: RequestId,
    pub deadline: Instant,
    pub method: Method,
    pub path: String,
    /// The header fields, clean.
    pub headers: HeaderMap,
    pub(super) policy: Policy,
    pub(super) consistency: Consistency,
    pub(super) min_index: Option<u64>,
    pub(super) key: Option<String>,
}

impl From<Authorized> for Call {
    fn from(authorized: Authorized) -> Self {
        Call(Arc::new(authorized))
    }
}

impl std::ops::Deref for Call {
    type Target = Authorized;
    fn deref(&self) -> &Authorized {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let call = parts.extensions.get::<Call>().cloned();
        call.ok_or_else(|| Problem::new(Code::Internal, "the route has no contract"))
    }
}

impl Call {
    /// What the document says of the route.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Runs one bounded query over one moment of the state, as fresh as the caller asked, off the async threads.
    ///
    /// # Errors
    /// What `query` returns; `index_not_reached`, `no_quorum`, `not_ready` when the state is not fresh enough in time.
    pub async fn read<T, Q>(&self, query: Q) -> Result<Seen<T>, Problem>
    where
        T: Send + 'static,
        Q: FnOnce(&View<'_>) -> Result<T, Problem> + Send + 'static,
    {
        self.app.core.barrier(self.consistency, self.min_index, self.read_deadline()).await?;
        self.app.read_local(query).await
    }

    /// As [`Call::read`], for a query of a few records by their keys, on the thread that asks: to hand it to another one costs
    /// more than the records, which are in memory but for the first who asks for them.
    ///
    /// # Errors
    /// As [`Call::read`].
    pub async fn read_records<T, Q>(&self, query: Q) -> Result<Seen<T>, Problem>
    where
        Q: FnOnce(&View<'_>) -> Result<T, Problem>,
    {
        self.app.core.barrier(self.consistency, self.min_index, self.read_deadline()).await?;
        see(&*self.app.core, query)
    }

    /// As [`Call::read`], at least at `index`, as this node has it: for what an answer shows besides the outcome.
    ///
    /// # Errors
    /// As [`Call::read`].
    pub async fn read_after<T, Q>(&self, index: u64, query: Q) -> Result<Seen<T>, Problem>
    where
        T: Send + 'static,
        Q: FnOnce(&View<'_>) -> Result<T, Problem> + Send + 'static,
    {
        self.app.core.barrier(Consistency::Local, Some(index), self.read_deadline()).await?;
        self.app.read_local(query).await
    }

    /// How a repetition of this request is recognised; `fingerprint` is the hash of its body.
    pub fn dedupe(&self, fingerprint: [u8; 32]) -> Dedupe {
        match &self.key {
            Some(key) => dedupe(&self.principal, &self.method, &self.path, key, fingerprint),
            None => Dedupe::Request,
        }
    }

    /// Submits a command; `fingerprint` is the hash of the request's body. With an `Idempotency-Key` it is carried out
    /// at most once, and a repetition gets the stored outcome.
    ///
    /// # Errors
    /// Its rejection, or why the outcome is not known.
    pub async fn submit(&self, command: impl Into<Command>, fingerprint: [u8; 32]) -> Result<Reply, Problem> {
        let dedupe = self.dedupe(fingerprint);
        let _running = self.app.in_flight.begin(&dedupe)?;
        let envelope = self.envelope(dedupe, command.into());
        self.app.core.submit(envelope, self.submit_deadline()).await.map_err(Problem::from)
    }

    /// The fingerprint of a body.
    pub fn fingerprint(&self, body: &[u8]) -> [u8; 32] {
        Sha256::digest(body).into()
    }

    /// The fingerprint of a request without a body.
    pub fn no_body(&self) -> [u8; 32] {
        Sha256::digest([]).into()
    }

    /// As [`Call::submit`]; a rejection is an error.
    ///
    /// # Errors
    /// As [`Call::submit`].
    pub async fn carry_out(
        &self,
        command: impl Into<Command>,
        fingerprint: [u8; 32],
    ) -> Result<Done, Problem> {
        Done::of(self.submit(command, fingerprint).await?)
    }

    /// Submits a further command of the same request, one that can be repeated without harm.
    ///
    /// # Errors
    /// As [`Call::submit`].
    pub async fn carry_on(&self, command: impl Into<Command>) -> Result<Done, Problem> {
        self.carry_on_as(self.principal.actor(), command).await
    }

    /// As [`Call::carry_on`], on behalf of somebody who proved who it is in another way.
    ///
    /// # Errors
    /// As [`Call::submit`].
    pub async fn carry_on_as(&self, actor: Actor, command: impl Into<Command>) -> Result<Done, Problem> {
        let envelope = Envelope { actor, ..self.envelope(Dedupe::Idempotent, command.into()) };
        Done::of(self.app.core.submit(envelope, self.submit_deadline()).await?)
    }

    fn envelope(&self, dedupe: Dedupe, command: Command) -> Envelope {
        Envelope {
            store: STORE.0,
            request: self.request,
            actor: self.principal.actor(),
            trace: current_trace(),
            dedupe,
            command,
        }
    }

    fn read_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + READ_TIMEOUT)
    }

    fn submit_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + SUBMIT_TIMEOUT)
    }
}
