//! How current a read must be.

use std::time::Duration;

use net::{NodeId, Route};
use openraft::async_runtime::WatchReceiver;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    error::ReadError,
    host::Host,
    launch::Inner,
    read_index::Proof,
    rpc::{self, Message, ReadIndexAnswer},
};

/// How long to wait before a leader is asked again that could not be reached, or led no more.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Everything acknowledged before the read began, whatever the clocks do.
    Linearizable,
    /// The same, as long as the nodes' clocks run at about the same rate. Costs no message on the leader.
    Lease,
    /// Whatever this node has applied.
    #[default]
    Local,
}

impl Host {
    /// Waits until this node's state is current enough, and at least at `min_index`; then read from
    /// [`Host::view`]. Returns the index applied by then.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(
        &self,
        consistency: Consistency,
        min_index: Option<u64>,
        deadline: Instant,
    ) -> Result<u64, ReadError> {
        let proven = match consistency {
            Consistency::Local => 0,
            Consistency::Linearizable => self.inner.prove(Proof::Fresh, deadline).await?,
            Consistency::Lease => self.inner.prove(Proof::Lease, deadline).await?,
        };
        let wanted = proven.max(min_index.unwrap_or(0));
        wait_for(self.applied(), wanted, deadline).await
    }
}

impl Inner {
    /// The index that a read with this proof must see: from this node if it leads, else from the leader. While leaders
    /// change it is asked again.
    async fn prove(&self, proof: Proof, deadline: Instant) -> Result<u64, ReadError> {
        let mut metrics = self.raft.metrics();
        let proven = async {
            loop {
                let answer = match self.leader() {
                    Some(leader) if leader == self.config.node => self.read_index.get(proof).await,
                    Some(leader) => tokio::select! {
                        biased;
                        answer = self.ask(leader, proof, deadline) => answer,
                        // A leader that was killed answers nothing, and the connection to it takes long to end.
                        () = self.leader_other_than(leader) => continue,
                    },
                    None => {
                        metrics.changed().await.map_err(|_| ReadError::Stopped)?;
                        continue;
                    }
                };
                match answer {
                    Err(ReadError::NotLeader { .. }) => sleep(ASK_AGAIN_AFTER).await,
                    answer => return answer,
                }
            }
        };
        timeout_at(deadline, proven).await.unwrap_or(Err(ReadError::NoQuorum))
    }

    async fn ask(&self, leader: NodeId, proof: Proof, deadline: Instant) -> Result<u64, ReadError> {
        let route = Route { peer: leader, group: self.config.group, kind: rpc::READ_INDEX };
        let lost = ReadError::NotLeader { leader: Some(leader) };
        match self.transport.call(route, proof.encode(), deadline).await {
            Ok(answer) => ReadIndexAnswer::decode(answer).unwrap_or(Err(lost)),
            Err(_) => Err(lost),
        }
    }
}

async fn wait_for(
    mut applied: watch::Receiver<u64>,
    wanted: u64,
    deadline: Instant,
) -> Result<u64, ReadError> {
    let reached = async { applied.wait_for(|index| *index >= wanted).await.map(|index| *index) };
    let result = timeout_at(deadline, reached).await;
    match result {
        Ok(Ok(index)) => Ok(index),
        Ok(Err(_)) => Err(ReadError::Stopped),
        Err(_) => Err(ReadError::IndexNotReached { wanted, applied: *applied.borrow() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_for_an_index_ends_at_the_deadline() {
        let sender = watch::Sender::new(5);
        let deadline = Instant::now() + Duration::from_secs(2);
        assert_eq!(wait_for(sender.subscribe(), 5, deadline).await, Ok(5));
        let late = wait_for(sender.subscribe(), 6, deadline);
        assert_eq!(late.await, Err(ReadError::IndexNotReached { wanted: 6, applied: 5 }));
        assert_eq!(Instant::now(), deadline);
    }
}
