//! Whose turn it is: a lease in the state, so that of all nodes one at a time rewrites its files.
//!
//! It spares the cluster's disks and keeps the others quick; nothing becomes wrong when two do it at once, as when a holder that
//! was taken for gone goes on. So nothing is fenced by it.

use shop::broker::{self, TakeLease};
use shop::{Actor, Code, Outcome};
use storage::Scope;

use super::Parts;

pub(super) const QUEUE: &str = "compaction";
/// The holder of a lease that was given back.
const NOBODY: u64 = 0;
/// The store whose leases they are.
const STORE: Scope = Scope(1);

/// This node's turn, until it gives it back.
#[must_use]
pub struct Turn {
    epoch: u64,
}

impl Turn {
    /// Takes the turn if nobody has it, or who has it does not answer. One that this node had in an earlier life is its own.
    ///
    /// # Errors
    /// Why it is not this node's turn, in words.
    pub async fn take(parts: &Parts) -> Result<Turn, String> {
        let (holder, epoch) = recorded(parts).await?;
        if holder != NOBODY && holder != parts.node && parts.replica.peers.status(holder).await.is_ok() {
            return Err(format!("it is node {holder}'s turn"));
        }
        Ok(Turn { epoch: order(parts, parts.node, epoch).await? })
    }

    /// Lets another node begin. What cannot be given back now is with [`Turn::tidy`].
    pub async fn give_back(self, parts: &Parts) {
        if let Err(why) = order(parts, NOBODY, self.epoch).await {
            tracing::warn!(why, "the turn to compact could not be given back yet");
        }
    }

    /// Gives back what this node is recorded to have though it does nothing with it, as after a restart.
    pub async fn tidy(parts: &Parts) {
        if let Ok((holder, epoch)) = recorded(parts).await
            && holder == parts.node
            && parts.replica.host.is_in_touch()
        {
            Turn { epoch }.give_back(parts).await;
        }
    }
}

/// Holder and epoch, as this node has applied them.
async fn recorded(parts: &Parts) -> Result<(u64, u64), String> {
    let store = parts.replica.store.clone();
    let read =
        tokio::task::spawn_blocking(move || broker::queries::lease(&store.view().in_scope(STORE), QUEUE));
    let lease = read.await.map_err(|error| error.to_string())?.map_err(|fault| fault.to_string())?;
    Ok(lease.map_or((NOBODY, 0), |lease| (lease.holder, lease.epoch)))
}

/// The epoch of the lease as it is then.
async fn order(parts: &Parts, holder: u64, after_epoch: u64) -> Result<u64, String> {
    let take = TakeLease { queue: QUEUE.to_owned(), holder, after_epoch };
    let reply = parts.replica.proposer.run(Actor::Worker, take.into()).await;
    match reply.map_err(|error| error.to_string())?.result {
        Ok(Outcome::Broker(broker::Outcome::Lease(epoch))) => Ok(epoch),
        Ok(other) => Err(format!("a lease was answered with {other:?}")),
        Err(rejection) if rejection.code == Code::StaleEpoch => {
            Err("another node was faster to take its turn".to_owned())
        }
        Err(rejection) => Err(rejection.detail),
    }
}
