//! Reads that other nodes pass on to this one, through the same steps as a request of its own from knowing the caller on:
//! what comes before (limits, hygiene, rate limits) the node that was asked has done.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use shop::ids::RequestId;
use tokio::runtime::Handle;
use tracing::Instrument;
use tracing::field::Empty;

use super::Balance;
use super::pass_on::fields;
use crate::gateway::app::{App, Consistency};
use crate::gateway::hygiene::ClientAddress;
use crate::gateway::limits::Deadline;
use crate::gateway::observe::{Arrival, UnderWay};
use crate::gateway::{Pipeline, problem};
use crate::peers::{MOST_ANSWER_BYTES, Peers, ReadAnswer, ReadQuestion};
use crate::telemetry::{adopt, parse_traceparent};

/// The longest that a read of another node is worked on.
const LONGEST: Duration = Duration::from_secs(10);

/// Marks a request that another node has passed on: it is answered here, and its caller was counted there.
#[derive(Debug, Clone, Copy)]
pub struct PassedOn;

/// Answers what is passed on, for as long as it is kept.
pub struct ForPeers {
    app: App,
    pipeline: Pipeline,
}

/// Begins to answer other nodes' reads, on the current runtime, until what is returned is dropped.
#[must_use]
pub fn serve_peers(app: App, peers: &Peers) -> Arc<ForPeers> {
    let answering = Arc::new(ForPeers::new(app));
    // Weak: the peers are part of what the gateway is made of.
    let reached: Weak<ForPeers> = Arc::downgrade(&answering);
    peers.answer_reads(Handle::current(), move |question| {
        let reached = reached.upgrade();
        Box::pin(async move {
            let answering = reached.ok_or("this node is stopping")?;
            answering.answer(question).await
        })
    });
    answering
}

impl ForPeers {
    pub(super) fn new(app: App) -> ForPeers {
        ForPeers { pipeline: Pipeline::new(app.clone()), app }
    }

    /// Answers one read, or says why not.
    pub(super) async fn answer(&self, question: ReadQuestion) -> Result<ReadAnswer, String> {
        let deadline = Instant::now() + question.remaining.min(LONGEST);
        let answer = tokio::time::timeout_at(deadline.into(), self.read(question, deadline)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        self.app.metrics.balance.for_peer(answer.is_ok());
        answer
    }

    async fn read(&self, question: ReadQuestion, deadline: Instant) -> Result<ReadAnswer, String> {
        let app = &self.app;
        let busy = |_| "this node has too much to do".to_owned();
        let _slot = app.admission.clone().try_acquire_owned().map_err(busy)?;
        let _under_way = UnderWay::begin(app);
        // Before it is looked at who calls: a revocation that the asking node has applied holds here too.
        let fresh = app.core.barrier(Consistency::Local, Some(question.least_index), deadline);
        fresh.await.map_err(|unserved| format!("not as far as the one who asks: {unserved:?}"))?;

        let id = RequestId(question.request);
        let request = request(question, id, deadline).ok_or("the read is no request")?;
        let span = tracing::info_span!("read.for_peer", trace_id = Empty, request_id = %id);
        let caller = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        adopt(&span, caller.and_then(parse_traceparent).as_ref());
        let answered = AssertUnwindSafe(self.pipeline.answer_peer(request)).catch_unwind().instrument(span);
        let Ok(response) = answered.await else { return Err("the handler failed".to_owned()) };
        let (parts, body) = problem::render(response, &app.public_base, &id.to_string()).into_parts();
        let load_per_mille = Balance::load_per_mille(&app.metrics).try_into().unwrap_or(u16::MAX);
        Ok(match to_bytes(body, MOST_ANSWER_BYTES).await {
            Ok(body) => ReadAnswer {
                load_per_mille,
                status: parts.status.as_u16(),
                fields: fields(&parts.headers, |name| *name == CONTENT_LENGTH),
                body,
            },
            // No status: the one who asks answers by itself, and thinks no less of this node.
            Err(_) => ReadAnswer { load_per_mille, status: 0, fields: Vec::new(), body: Bytes::new() },
        })
    }
}

/// The request as it would have come, with what the steps before would have noted.
fn request(question: ReadQuestion, id: RequestId, deadline: Instant) -> Option<Request> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = std::str::from_utf8(&question.target).ok()?.parse().ok()?;
    for (name, value) in question.fields {
        let name = HeaderName::from_bytes(&name).ok()?;
        request.headers_mut().append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    let extensions = request.extensions_mut();
    extensions.insert(PassedOn);
    extensions.insert(Arrival { id, at: Instant::now() });
    extensions.insert(Deadline(deadline));
    extensions.insert(ClientAddress(question.address));
    Some(request)
}
