//! One confirmation of leadership for all reads that wait at that moment.

use std::time::Duration;

use openraft::{
    LinearizerOption,
    errors::{LinearizableReadError, RaftError},
};
use tokio::sync::{mpsc, oneshot};

use crate::{error::ReadError, types::Raft};

/// Reads that may wait for a confirmation; beyond it new ones are turned away.
const MAX_WAITING: usize = 16 * 1024;

/// How fresh the proof of leadership must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A majority confirms after the read was asked for.
    Fresh,
    /// A majority confirmed within the lease. Trusts that clocks run at about the same rate.
    Lease,
}

type Waiting = (Proof, oneshot::Sender<Result<u64, ReadError>>);

/// Asks for read indices.
#[derive(Debug, Clone)]
pub(crate) struct ReadIndex(mpsc::Sender<Waiting>);

impl ReadIndex {
    /// The index that this node, if it leads, must have applied before it reads.
    pub(crate) async fn get(&self, proof: Proof) -> Result<u64, ReadError> {
        let (reply, answer) = oneshot::channel();
        self.0.send((proof, reply)).await.map_err(|_| ReadError::Stopped)?;
        answer.await.unwrap_or(Err(ReadError::Stopped))
    }
}

/// The queue and the task that serves it: whoever arrives during one round is part of the next.
pub(crate) fn read_index(raft: Raft, round_limit: Duration) -> (ReadIndex, impl Future<Output = ()> + Send) {
    let (queue, mut waiting) = mpsc::channel::<Waiting>(MAX_WAITING);
    let serve = async move {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, MAX_WAITING).await > 0 {
            let proof = if batch.iter().any(|(proof, _)| *proof == Proof::Fresh) {
                Proof::Fresh
            } else {
                Proof::Lease
            };
            let result = confirm(&raft, proof, round_limit).await;
            for (_, reply) in batch.drain(..) {
                // A reader whose deadline passed is gone.
                let _ = reply.send(result.clone());
            }
        }
    };
    (ReadIndex(queue), serve)
}

async fn confirm(raft: &Raft, proof: Proof, limit: Duration) -> Result<u64, ReadError> {
    let age = match proof {
        Proof::Fresh => Some(Duration::ZERO),
        Proof::Lease => None,
    };
    let option = LinearizerOption::new(age, true).with_wait_timeout(limit);
    match raft.get_read_linearizer(option).await {
        Ok(linearizer) => Ok(linearizer.read_log_id().log_id().index),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
            Err(ReadError::NotLeader { leader: forward.leader_id })
        }
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(ReadError::NoQuorum),
        Err(RaftError::Fatal(_)) => Err(ReadError::Stopped),
    }
}
