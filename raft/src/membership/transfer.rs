//! The lead moves without an election timeout: when an operator asks, and when the leader stops.

use std::time::Duration;

use net::NodeId;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::MembershipError;
use crate::{error::SubmitError, host::Host, launch::Inner};

/// Entries that a successor may lack. It has them before it campaigns: the leader takes nothing in meanwhile.
const MAX_LAG: u64 = 1_024;

/// How long a leader that stops looks for a successor and waits for it.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// Between two looks at how far the successor is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Host {
    /// Hands the lead to the voter `to`, and returns when that leads. From then until it does, nothing is accepted,
    /// which takes a round trip and two fsyncs. Only the leader can.
    ///
    /// # Errors
    /// [`MembershipError::NotTransferred`] if somebody else leads in the end, or nobody has by `deadline`;
    /// otherwise `to` cannot lead and nothing was begun.
    pub async fn transfer_leader(&self, to: NodeId, deadline: Instant) -> Result<(), MembershipError> {
        self.inner.transfer_leader(to, deadline).await
    }

    /// Hands the lead, if this node has it, to whoever is best able to take it, and returns who leads now. Waits
    /// until `deadline`.
    ///
    /// # Errors
    /// As [`Host::transfer_leader`]; [`MembershipError::LastVoter`] if nobody else votes, and
    /// [`MembershipError::Refused`] if nobody else is able to lead.
    pub async fn hand_over(&self, deadline: Instant) -> Result<NodeId, MembershipError> {
        self.inner.hand_over(deadline).await
    }
}

impl Inner {
    pub(crate) async fn transfer_leader(&self, to: NodeId, deadline: Instant) -> Result<(), MembershipError> {
        if to == self.config.node && self.raft.is_leader() {
            return Ok(());
        }
        let standing = self.standing()?;
        if !standing.members.contains_key(&to) {
            return Err(MembershipError::UnknownMember { node: to });
        }
        if !standing.voters.contains(&to) {
            return Err(MembershipError::NotVoter { node: to });
        }
        standing.caught_up(to, MAX_LAG)?;
        // Its refusal would cost an election timeout without a leader: ask when it can say yes.
        while self.standing()?.caught_up(to, 0).is_err() && Instant::now() + LOOK_EVERY < deadline {
            let lacks_little = self.standing()?.caught_up(to, MAX_LAG / 16).is_ok();
            if lacks_little {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        self.raft.trigger().transfer_leader(to).await.map_err(|_| SubmitError::Stopped)?;
        match self.next_leader(deadline).await {
            Some(leader) if leader == to => {
                self.config.observer.lead_transferred();
                Ok(())
            }
            Some(leader) => {
                let why = format!("node {leader} was elected instead");
                Err(MembershipError::NotTransferred { to, why })
            }
            None => {
                let why = "no node has taken over in time; another election is under way".to_owned();
                Err(MembershipError::NotTransferred { to, why })
            }
        }
    }

    pub(crate) async fn hand_over(&self, deadline: Instant) -> Result<NodeId, MembershipError> {
        let node = self.config.node;
        let standing = self.standing()?;
        let nobody = || match standing.voters.len() {
            0 | 1 => MembershipError::LastVoter { node },
            _ => MembershipError::Refused("no other voter answers and has caught up".into()),
        };
        let to = standing.successor(node, MAX_LAG).ok_or_else(nobody)?;
        tracing::info!(to, "handing over the lead");
        self.transfer_leader(to, deadline).await?;
        Ok(to)
    }

    /// The last thing that a leader does: whoever leads next need not wait for an election timeout.
    pub(crate) async fn hand_over_before_stopping(&self) {
        if self.fault_line.is_broken() || !self.raft.is_leader() {
            return;
        }
        match self.hand_over(Instant::now() + HAND_OVER_LIMIT).await {
            Ok(leader) => tracing::info!(leader, "handed over the lead before stopping"),
            // Alone: there is nobody to hand over to.
            Err(MembershipError::LastVoter { .. }) => {}
            Err(error) => tracing::warn!(error = %error, code = error.code(), "stopping as leader"),
        }
    }

    /// Who leads after this node; `None` if that is nobody by `deadline`.
    async fn next_leader(&self, deadline: Instant) -> Option<NodeId> {
        let mut metrics = self.raft.metrics();
        loop {
            let leader = self.leader();
            if leader.is_some_and(|id| id != self.config.node) {
                return leader;
            }
            timeout_at(deadline, metrics.changed()).await.ok()?.ok()?;
        }
    }
}
