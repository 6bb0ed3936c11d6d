//! From a command's bytes to its outcome.

use std::time::Duration;

use bytes::Bytes;
use net::NodeId;
use openraft::{Instant as _, async_runtime::WatchReceiver, errors::ClientWriteError};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    error::SubmitError,
    host::{Host, MAX_COMMAND_BYTES},
    launch::Inner,
    rounds::Stopped,
    types::{Action, Command},
};

/// What one permit of [`Inner::pending`] stands for.
pub(crate) const PERMIT_BYTES: usize = 1024;

/// How long to wait for the core and its metrics to agree on who leads.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// A command took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the log; any node that has applied this far shows its effect.
    pub index: u64,
    /// The machine's answer.
    pub outcome: Bytes,
}

impl Host {
    /// Proposes a command, stamped here, and waits until it is committed and applied. Only the leader can.
    ///
    /// # Errors
    /// See [`SubmitError`]. Only [`SubmitError::OutcomeUnknown`] leaves open whether the command took effect.
    pub async fn submit(&self, payload: Bytes, deadline: Instant) -> Result<Applied, SubmitError> {
        if payload.len() > MAX_COMMAND_BYTES {
            return Err(SubmitError::TooLarge { bytes: payload.len(), limit: MAX_COMMAND_BYTES });
        }
        self.inner.propose(Action::Apply(payload), deadline).await
    }
}

impl Inner {
    pub(crate) async fn propose(&self, action: Action, deadline: Instant) -> Result<Applied, SubmitError> {
        let size = match &action {
            Action::Apply(payload) => payload.len(),
            Action::Checkpoint => 0,
        };
        let permits = (size / PERMIT_BYTES + 1) as u32;
        let _permit = match timeout_at(deadline, self.pending.acquire_many(permits)).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(SubmitError::Stopped),
            Err(_) => return Err(SubmitError::Overloaded),
        };
        loop {
            self.wait_until_leading(deadline).await?;
            let stamp = self.stamper.stamp(self.clock.as_ref(), self.is_sole_voter())?;
            let command = Command { stamp, action: action.clone() };
            match self.write(command, deadline).await {
                // The core knows already that it leads no more, and not yet who does. Nothing was proposed.
                Err(SubmitError::NotLeader { leader: None }) => {
                    if Instant::now() + RETRY_AFTER >= deadline {
                        return Err(SubmitError::NoQuorum);
                    }
                    sleep(RETRY_AFTER).await;
                }
                result => return result,
            }
        }
    }

    async fn write(&self, command: Command, deadline: Instant) -> Result<Applied, SubmitError> {
        let unknown = |why| Err(SubmitError::OutcomeUnknown { why });
        match timeout_at(deadline, self.rounds.write(command)).await {
            Ok(Ok(Ok(done))) => Ok(Applied { index: done.log_id.index, outcome: done.data.0 }),
            Ok(Ok(Err(ClientWriteError::ForwardToLeader(forward)))) => {
                Err(SubmitError::NotLeader { leader: forward.leader_id })
            }
            Ok(Ok(Err(ClientWriteError::LogEntryDiscarded(_)))) => unknown("another node took over the lead"),
            Ok(Ok(Err(_))) => unknown("the consensus core refused an ordinary entry"),
            Ok(Err(Stopped)) => unknown("this node stopped"),
            Err(_) => unknown("no majority confirmed it in time"),
        }
    }

    /// Returns when this node leads, or says who does.
    pub(crate) async fn wait_until_leading(&self, deadline: Instant) -> Result<(), SubmitError> {
        let mut metrics = self.raft.metrics();
        loop {
            if self.fault_line.is_broken() {
                return Err(SubmitError::Stopped);
            }
            match self.leader() {
                Some(leader) if leader == self.config.node => return self.check_quorum(),
                Some(leader) => return Err(SubmitError::NotLeader { leader: Some(leader) }),
                None => {}
            }
            match timeout_at(deadline, metrics.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(SubmitError::Stopped),
                Err(_) => return Err(SubmitError::NoQuorum),
            }
        }
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.raft.metrics().borrow_watched().current_leader
    }

    /// A leader that has not heard from a majority for long would only collect entries whose outcome is unknown.
    fn check_quorum(&self) -> Result<(), SubmitError> {
        if self.is_sole_voter() {
            return Ok(());
        }
        let heard = self.raft.metrics().borrow_watched().last_quorum_acked;
        match heard {
            Some(at) if at.into_inner().elapsed() > self.config.timings.election_max * 2 => {
                Err(SubmitError::NoQuorum)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_sole_voter(&self) -> bool {
        self.raft.voter_ids().eq([self.config.node])
    }
}
