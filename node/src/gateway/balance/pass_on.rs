//! One read on its way to another node and back. Whatever goes wrong, the request is answered here: `None`.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use net::NodeId;
use tokio::time::Instant;

use super::{Balance, PassedOn};
use crate::gateway::call::Call;
use crate::gateway::hygiene::ClientAddress;
use crate::gateway::observe::REQUEST_ID;
use crate::gateway::problem::OwnErrorBody;
use crate::peers::{Fields, NotRead, ReadAnswer, ReadQuestion};
use crate::telemetry::metrics::Spilled;
use crate::telemetry::{current_trace, format_traceparent};

/// The node that answered, when it is not the one that was asked.
const NODE: HeaderName = HeaderName::from_static("shopnode-node");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A read, and the node that shall answer it.
pub struct Passing {
    node: NodeId,
    question: ReadQuestion,
    deadline: Instant,
}

impl Balance {
    /// What another node is asked in place of this one, for a read that this node has authorized.
    pub fn pass_on(&self, call: &Call, request: &Request) -> Option<Passing> {
        if !may_leave(call, request) {
            return None;
        }
        let Some(node) = self.choose() else {
            self.metrics.balance.spilled(Spilled::Kept);
            return None;
        };
        let now = Instant::now();
        let deadline = (now + Duration::from_millis(self.settings.timeout_ms)).min(call.deadline.into());
        let question = question(call, request, deadline.saturating_duration_since(now))?;
        Some(Passing { node, question, deadline })
    }

    /// The other node's answer.
    pub async fn answered(&self, Passing { node, question, deadline }: Passing) -> Option<Response> {
        let others = self.others.get()?;
        let under_way = UnderWay::begin(self, node);
        let answer = others.read(node, &question, deadline).await;
        drop(under_way);
        let outcome = match &answer {
            Ok(answer) if answer.status == 0 => Spilled::TooLong,
            // It is the other node's trouble, or it is everybody's: then this node says so itself.
            Ok(answer) if answer.status >= 500 => Spilled::Failed,
            Ok(_) => Spilled::Answered,
            Err(NotRead::Late) => Spilled::Late,
            Err(NotRead::Refused(_)) => Spilled::Refused,
            Err(NotRead::Failed(_)) => Spilled::Failed,
        };
        self.judge(node, outcome, answer.as_ref().err());
        let response =
            answer.ok().filter(|_| outcome == Spilled::Answered).and_then(|answer| respond(node, answer));
        response.inspect(|_| tracing::debug!(peer = node, "answered by another node"))
    }

    /// Notes what asking has come to.
    fn judge(&self, node: NodeId, outcome: Spilled, error: Option<&NotRead>) {
        self.metrics.balance.spilled(outcome);
        let now = Instant::now();
        if matches!(outcome, Spilled::Answered | Spilled::TooLong) {
            self.outliers().succeeded(node, now);
            return;
        }
        let peers = self.others.get().map_or(0, |others| others.told().len());
        let aside = self.outliers().failed(node, peers, now);
        let why = error.map(tracing::field::display);
        match aside {
            Some(time) => tracing::warn!(peer = node, why, ?time, "does not answer reads: set aside"),
            None => tracing::debug!(peer = node, why, "did not answer a read"),
        }
    }
}

/// Whether another node may answer: a read without a body, that was not passed on already, and of a state that this node
/// has. A request for a later index waits here, where waiting is nobody's failure.
fn may_leave(call: &Call, request: &Request) -> bool {
    call.method == Method::GET
        && request.extensions().get::<PassedOn>().is_none()
        && request.body().is_end_stream()
        && call.min_index.is_none_or(|wanted| wanted <= call.app.core.applied())
}

fn question(call: &Call, request: &Request, remaining: Duration) -> Option<ReadQuestion> {
    let address: IpAddr = request.extensions().get::<ClientAddress>()?.0;
    let target = request.uri().path_and_query()?.as_str();
    let own = |name: &HeaderName| *name == TRACEPARENT || *name == CONTENT_LENGTH;
    let mut fields = fields(request.headers(), own);
    if let Some(trace) = current_trace() {
        fields.push((Bytes::from_static(b"traceparent"), format_traceparent(&trace).into()));
    }
    Some(ReadQuestion {
        remaining,
        least_index: call.app.core.applied(),
        request: call.request.0,
        address,
        target: Bytes::copy_from_slice(target.as_bytes()),
        fields,
    })
}

fn respond(node: NodeId, answer: ReadAnswer) -> Option<Response> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).ok()?;
    for (name, value) in answer.fields {
        let name = HeaderName::from_bytes(&name).ok()?;
        response.headers_mut().append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    response.headers_mut().insert(NODE, HeaderValue::from(node));
    // A problem is written already, under the id that this node gave the request.
    response.extensions_mut().insert(OwnErrorBody);
    Some(response)
}

/// Header fields as they travel, without those that each node writes itself.
pub(super) fn fields(headers: &HeaderMap, is_own: impl Fn(&HeaderName) -> bool) -> Fields {
    let kept = headers.iter().filter(|(name, _)| !is_own(name) && **name != REQUEST_ID);
    let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    kept.map(|(name, value)| (bytes(name.as_str().as_bytes()), bytes(value.as_bytes()))).collect()
}

/// Counts a read for as long as another node has it, also when its client goes away.
struct UnderWay<'a>(&'a Balance, NodeId);

impl<'a> UnderWay<'a> {
    fn begin(balance: &'a Balance, node: NodeId) -> Self {
        balance.metrics.balance.waiting.inc();
        balance.outliers().asked(node);
        Self(balance, node)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.metrics.balance.waiting.dec();
        self.0.outliers().ended(self.1);
    }
}
