//! What this node answers its peers.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use net::{BoxFuture, Channel, FrameReceiver, FrameSender, Kind, NodeId, Service};
use raft::Host;
use shop::Envelope;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::{Instrument, info_span};

use super::read::ReadQuestion;
use super::status::Asked;
use super::submit::{Answer, Refusal, Request};
use super::{Shared, authority, clock, compact, courier, heartbeat, kind};
use crate::level;
use crate::telemetry::adopt;

/// Why what is asked before everything is open is not answered.
const STARTING: &str = "this node is starting";

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
    async fn submit(&self, host: &Host, from: NodeId, body: Bytes, came: Instant) -> Answer {
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
        let deadline = came + request.remaining;
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
    async fn submit_many(&self, from: NodeId, channel: Channel) {
        let Channel { mut sender, receiver } = channel;
        if sender.send(courier::greeting()).await.is_err() {
            return;
        }
        let (tell, answers) = mpsc::channel(FORWARDED_AT_ONCE);
        // Apart from each other: what is carried out gives its slot back also while the peer does not read.
        tokio::select! {
            () = self.carry_out(from, receiver, tell) => {}
            () = send_answers(sender, answers) => {}
        }
    }

    async fn carry_out(
        &self,
        from: NodeId,
        mut receiver: Box<dyn FrameReceiver>,
        tell: mpsc::Sender<(u32, Bytes)>,
    ) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                frame = receiver.receive() => {
                    let Some(parcels) = frame.ok().flatten().and_then(courier::parcels) else { return };
                    let came = Instant::now();
                    under_way.extend(parcels.into_iter().map(|(number, request)| async move {
                        (number, self.submit_one(from, request, came).await)
                    }));
                }
                // A peer that leaves so many answers unread has gone.
                Some(done) = under_way.next() => if tell.try_send(done).is_err() { return },
            }
        }
    }

    async fn submit_one(&self, from: NodeId, request: Bytes, came: Instant) -> Bytes {
        let Some((host, fence)) =
            self.shared.upgrade().map(|shared| (shared.host.clone(), shared.fence.clone()))
        else {
            return Answer::Refused(Refusal::Stopped).encode();
        };
        // Its state is wrong, and so would be its answer. It hands the lead over; until then whoever asks tries again.
        if fence.reason().is_some() {
            return Answer::Refused(Refusal::NotLeader { leader: None }).encode();
        }
        // One that panics must not take the others on its channel along.
        let submitted = AssertUnwindSafe(self.submit(&host, from, request, came)).catch_unwind().await;
        submitted.unwrap_or_else(|_| Answer::OutcomeUnknown("the leader failed at it".to_owned())).encode()
    }
}

impl NodeService {
    /// A channel that is dropped before its end says that it was in vain.
    async fn carry_blob(&self, from: NodeId, kind: Kind, channel: Channel) {
        let shelf = self.shared.upgrade().and_then(|shared| shared.shelf.get().cloned());
        let Some(shelf) = shelf else { return };
        let carried = match kind {
            kind::GIVE_BLOB => shelf.keep(channel).await,
            _ => shelf.send(channel).await,
        };
        if let Err(why) = carried {
            tracing::debug!(from, why, "a blob was not carried to its end");
        }
    }
}

/// What one run of apply has answered is ready at one moment: it goes into one frame.
async fn send_answers(mut sender: Box<dyn FrameSender>, mut answers: mpsc::Receiver<(u32, Bytes)>) {
    let (mut taken, mut ready) = (Vec::new(), VecDeque::new());
    while answers.recv_many(&mut taken, FORWARDED_AT_ONCE).await > 0 {
        ready.extend(taken.drain(..));
        while !ready.is_empty() {
            if sender.send(courier::take_answers(&mut ready)).await.is_err() {
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
                kind::SUBMIT => Ok(self.submit(&shared.host, from, body, Instant::now()).await.encode()),
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
                kind::HEARTBEAT => heartbeat::answer(shared.hear_heartbeat.get(), body),
                kind::AUTHORITY => authority::answer(shared.tell_authority.get(), &body),
                kind::HAS_BLOBS => shared.shelf.get().ok_or(STARTING)?.has(&body),
                kind::LIST_BLOBS => shared.shelf.get().ok_or(STARTING)?.list(&body),
                Kind(other) => Err(format!("this node knows no question of kind {other}")),
            }
        })
    }

    fn channel(&self, from: NodeId, kind: Kind, channel: Channel) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match kind {
                kind::SUBMIT_MANY => self.submit_many(from, channel).await,
                kind::GIVE_BLOB | kind::TAKE_BLOB => self.carry_blob(from, kind, channel).await,
                // Dropping it is the answer.
                _ => tracing::debug!(from, kind = kind.0, "channel of an unknown kind"),
            }
        })
    }
}
