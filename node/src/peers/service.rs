//! What this node answers its peers.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use net::{BoxFuture, Channel, Kind, NodeId, Service};
use raft::Host;
use shop::Envelope;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{Instrument, info_span};

use super::read::ReadQuestion;
use super::status::Asked;
use super::submit::{Answer, Refusal, Request};
use super::{Shared, authority, clock, compact, courier, kind};
use crate::level;
use crate::telemetry::adopt;

/// Forwarded commands whose outcome may be awaited at once. One more is refused, and its sender says so to its client.
const FORWARDED_AT_ONCE: usize = 2048;

/// Serves [`net::GroupId::NODE`].
pub(super) struct NodeService {
    /// Weak: the transport that holds this service is held by what it serves.
    shared: Weak<Shared>,
    slots: Arc<Semaphore>,
}

impl NodeService {
    pub(super) fn new(shared: Weak<Shared>) -> NodeService {
        NodeService { shared, slots: Arc::new(Semaphore::new(FORWARDED_AT_ONCE)) }
    }

    /// Proposes here, and nowhere else: a command makes one hop.
    async fn submit(&self, host: &Host, from: NodeId, body: Bytes) -> Answer {
        let Ok(_slot) = self.slots.try_acquire() else {
            return Answer::Refused(Refusal::Overloaded);
        };
        let request = match Request::decode(body) {
            Ok(request) => request,
            Err(why) => return Answer::Refused(Refusal::NotUnderstood(why)),
        };
        // What this node cannot read must not get into the log: every node would stop at it.
        let envelope = match Envelope::decode(&request.envelope) {
            Ok(envelope) => envelope,
            Err(fault) => return Answer::Refused(Refusal::NotUnderstood(fault.to_string())),
        };
        let span = info_span!("forwarded", command = envelope.command.name(), from);
        adopt(&span, envelope.trace.as_ref());
        let deadline = Instant::now() + request.remaining;
        if let Some(reply) = level::refusal(host, &envelope, deadline).await {
            return match storage::encode(&reply) {
                Ok(outcome) => Answer::Done { index: reply.index, outcome: outcome.into() },
                Err(fault) => Answer::Refused(Refusal::NotUnderstood(fault.to_string())),
            };
        }
        host.submit(request.envelope, deadline).instrument(span).await.into()
    }
}

impl NodeService {
    /// Proposes what comes on a channel, and answers in the order in which it is done. See `courier.rs`.
    async fn submit_many(&self, host: &Host, from: NodeId, channel: Channel) {
        let Channel { mut sender, mut receiver } = channel;
        if sender.send(courier::greeting()).await.is_err() {
            return;
        }
        let mut under_way = FuturesUnordered::new();
        loop {
            let done = tokio::select! {
                frame = receiver.receive() => {
                    let Some(parcels) = frame.ok().flatten().and_then(courier::parcels) else { return };
                    under_way.extend(parcels.into_iter().map(|(number, request)| async move {
                        (number, self.submit(host, from, request).await.encode())
                    }));
                    continue;
                }
                Some(done) = under_way.next() => done,
            };
            // What one run of apply has answered is ready at one moment: it goes into one frame.
            let mut answers = vec![done];
            while let Some(Some(done)) = under_way.next().now_or_never() {
                answers.push(done);
            }
            if sender.send(courier::answers(&answers)).await.is_err() {
                return;
            }
        }
    }
}

impl Service for NodeService {
    fn call(&self, from: NodeId, kind: Kind, body: Bytes) -> BoxFuture<'_, Result<Bytes, String>> {
        Box::pin(async move {
            let shared = self.shared.upgrade().ok_or_else(|| "this node is stopping".to_owned())?;
            match kind {
                kind::SUBMIT => Ok(self.submit(&shared.host, from, body).await.encode()),
                kind::STATUS => {
                    let asked = Asked::decode(&body)?;
                    shared.report(asked).encode(asked)
                }
                kind::ORDER => crate::membership::serve(&shared.host, body).await,
                kind::READ => {
                    let question = ReadQuestion::decode(body)?;
                    let answer = shared.answer_reads.get().ok_or("this node does not serve yet")?;
                    answer(question).await?.encode().ok_or_else(|| "the answer is too long".to_owned())
                }
                kind::CLOCK => clock::answer(&body, shared.clock.now_ms()),
                kind::SPENT => {
                    if let Some(hear) = shared.hear_spent.get() {
                        hear(body);
                    }
                    Ok(Bytes::new())
                }
                kind::COMPACT => compact::answer(shared.hear_compact.get(), &body),
                kind::AUTHORITY => authority::answer(shared.tell_authority.get(), &body),
                Kind(other) => Err(format!("this node knows no question of kind {other}")),
            }
        })
    }

    fn channel(&self, from: NodeId, kind: Kind, channel: Channel) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match (kind, self.shared.upgrade().map(|shared| shared.host.clone())) {
                (kind::SUBMIT_MANY, Some(host)) => self.submit_many(&host, from, channel).await,
                // Dropping it is the answer.
                _ => tracing::debug!(from, kind = kind.0, "channel of an unknown kind"),
            }
        })
    }
}
