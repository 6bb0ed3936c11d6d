//! From one command to its reply, through as many attempts as its deadline allows: here when this node leads, else by
//! one hop to the leader.
//!
//! What makes another attempt safe is in the log. [`Dedupe::Request`] and [`Dedupe::Key`] remember the outcome of the
//! first one that was carried out, far longer than any deadline; whichever attempt comes second gets it. Commands that
//! are [`Dedupe::Idempotent`] leave the same state when they are carried out twice, but the second time may be refused
//! by what the first has done. So a refusal that follows an attempt in doubt is believed only when that attempt cannot
//! be carried out any more, and was not.

use std::time::Duration;

use bytes::Bytes;
use net::NodeId;
use raft::{Applied, Host, SubmitError};
use shop::command::Dedupe;
use shop::ids::RequestId;
use shop::{Reply, broker};
use storage::Scope;
use tokio::time::{Instant, sleep};

use super::{ProposeError, STORE};
use crate::backoff;
use crate::peers::{NotForwarded, Peers, Refusal};

/// The pause after the first attempt that came to nothing, and the longest one: an election takes several of these.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// What one attempt came to.
#[derive(Debug)]
enum Attempt {
    /// It was carried out, by this node.
    Applied(NodeId, Applied),
    /// Nothing was proposed. Another attempt may do better.
    NotAccepted(ProposeError),
    /// Nothing was proposed, and no other attempt would do better.
    Refused(ProposeError),
    /// It may have been proposed, by this node.
    InDoubt(NodeId, String),
}

/// One command on its way.
pub(super) struct Journey<'a> {
    pub host: &'a Host,
    pub peers: &'a Peers,
    pub payload: Bytes,
    pub request: RequestId,
    pub dedupe: &'a Dedupe,
    /// What this node had applied when the command set out.
    pub begun_at: u64,
    pub deadline: Instant,
}

impl Journey<'_> {
    pub(super) async fn run(self) -> Result<Reply, ProposeError> {
        let (mut failures, mut doubt) = (0u32, None);
        loop {
            let error = match self.attempt().await {
                Attempt::Applied(by, applied) => return self.reply(by, &applied, doubt).await,
                Attempt::Refused(error) => return Err(in_doubt(&doubt).unwrap_or(error)),
                Attempt::NotAccepted(error) => error,
                Attempt::InDoubt(by, why) => {
                    tracing::debug!(by, why, "outcome unknown; the command is tried again");
                    doubt = Some((by, why.clone()));
                    ProposeError::OutcomeUnknown(why)
                }
            };
            failures = failures.saturating_add(1);
            let pause = backoff::delay(failures, PAUSE.0, PAUSE.1);
            if Instant::now() + pause >= self.deadline {
                return Err(in_doubt(&doubt).unwrap_or(match error {
                    // Who leads is no business of a client: what it learns is that nobody could be found in time.
                    ProposeError::NotLeader => ProposeError::NoQuorum,
                    error => error,
                }));
            }
            sleep(pause).await;
        }
    }

    async fn attempt(&self) -> Attempt {
        let own = self.peers.node();
        let leader = match self.host.submit(self.payload.clone(), self.deadline).await {
            Err(SubmitError::NotLeader { leader: Some(leader) }) if leader != own => leader,
            Ok(applied) => return Attempt::Applied(own, applied),
            Err(SubmitError::OutcomeUnknown { why }) => return Attempt::InDoubt(own, why.to_owned()),
            Err(error @ (SubmitError::NotLeader { .. } | SubmitError::NoQuorum)) => {
                return Attempt::NotAccepted(error.into());
            }
            Err(error) => return Attempt::Refused(error.into()),
        };
        // A leader that has been silent for so long is gone, or this node is cut off. A command sent now could only come
        // back with its outcome unknown.
        if !self.host.is_in_touch() {
            return Attempt::NotAccepted(ProposeError::NoQuorum);
        }
        self.forward(leader).await
    }

    /// Waits for the leader no longer than it leads: one that was killed answers nothing, and the connection to it takes
    /// long to end.
    async fn forward(&self, leader: NodeId) -> Attempt {
        let sent = self.peers.submit(leader, self.payload.clone(), self.deadline);
        let answer = tokio::select! {
            biased;
            answer = sent => answer,
            () = self.host.leader_other_than(leader) => {
                Err(NotForwarded::OutcomeUnknown(format!("node {leader} lost the lead before it answered")))
            }
        };
        match answer {
            Ok(applied) => Attempt::Applied(leader, applied),
            Err(NotForwarded::OutcomeUnknown(why)) => Attempt::InDoubt(leader, why),
            Err(NotForwarded::NotAccepted(why)) => {
                tracing::debug!(leader, why, "not forwarded");
                Attempt::NotAccepted(ProposeError::NoQuorum)
            }
            Err(NotForwarded::Refused(refusal)) => refused(refusal),
        }
    }

    async fn reply(
        &self,
        by: NodeId,
        applied: &Applied,
        doubt: Option<(NodeId, String)>,
    ) -> Result<Reply, ProposeError> {
        let reply: Reply =
            storage::decode(&applied.outcome).map_err(|error| ProposeError::Reply(error.to_string()))?;
        let Some((doubtful, why)) = doubt else { return Ok(reply) };
        if reply.result.is_err() && !is_final(self.dedupe, doubtful, by) {
            return Err(ProposeError::OutcomeUnknown(why));
        }
        let replayed = reply.replayed && !self.is_own(reply.index).await;
        Ok(Reply { replayed, ..reply })
    }

    /// Whether what was carried out at `index` was an earlier attempt of this very request, and not another request with
    /// the same key.
    async fn is_own(&self, index: u64) -> bool {
        match self.dedupe {
            // The request id is this request's alone.
            Dedupe::Request => true,
            Dedupe::Idempotent => false,
            // Without events nothing says whose it was: then what came after this request had begun is taken for its own.
            Dedupe::Key { .. } => {
                self.request_at(index).await.map_or(index > self.begun_at, |request| request == self.request)
            }
        }
    }

    /// Whose command was carried out at `index`, as its events tell.
    async fn request_at(&self, index: u64) -> Option<RequestId> {
        self.host.read(raft::Consistency::Local, Some(index), self.deadline).await.ok()?;
        let host = self.host.clone();
        let look = move || broker::queries::request_at(&host.view().in_scope(Scope(STORE)), index);
        tokio::task::spawn_blocking(look).await.ok()?.unwrap_or_else(|fault| {
            tracing::error!(%fault, "the feed cannot be read");
            None
        })
    }
}

/// Whether a refusal by `by` settles an attempt that is in doubt since `doubtful` got it.
///
/// A command that is recognised when it is repeated would have got the first outcome if there were one. But the attempt
/// may still lie with `doubtful` and be proposed later, unless another node leads by now: then it never is.
fn is_final(dedupe: &Dedupe, doubtful: NodeId, by: NodeId) -> bool {
    match dedupe {
        Dedupe::Idempotent => false,
        Dedupe::Request | Dedupe::Key { .. } => doubtful != by,
    }
}

fn in_doubt(doubt: &Option<(NodeId, String)>) -> Option<ProposeError> {
    doubt.as_ref().map(|(_, why)| ProposeError::OutcomeUnknown(why.clone()))
}

fn refused(refusal: Refusal) -> Attempt {
    match refusal {
        Refusal::NotLeader { .. } | Refusal::Stopped => Attempt::NotAccepted(ProposeError::NotLeader),
        Refusal::NoQuorum => Attempt::NotAccepted(ProposeError::NoQuorum),
        Refusal::Overloaded => Attempt::Refused(ProposeError::Overloaded),
        Refusal::TooLarge { bytes, limit } => {
            Attempt::Refused(ProposeError::TooLarge { bytes: bytes as usize, limit: limit as usize })
        }
        Refusal::ClockAhead(why) => Attempt::Refused(ProposeError::ClockAhead(why)),
        Refusal::NotUnderstood(why) => Attempt::Refused(ProposeError::NotUnderstood(why)),
    }
}

#[cfg(test)]
mod tests {
    use shop::command::Dedupe;

    use super::is_final;

    #[test]
    fn a_refusal_settles_only_what_cannot_happen_any_more() {
        let key = Dedupe::Key { scope: [0; 32], fingerprint: [0; 32] };
        let check =
            |dedupe: &Dedupe, by, expect| assert_eq!(is_final(dedupe, 1, by), expect, "{dedupe:?} {by}");
        check(&Dedupe::Request, 2, true);
        check(&key, 2, true);
        check(&Dedupe::Request, 1, false);
        check(&key, 1, false);
        check(&Dedupe::Idempotent, 2, false);
        check(&Dedupe::Idempotent, 1, false);
    }
}
