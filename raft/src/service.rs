//! Answers the other members of the group.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use net::{BoxFuture, Channel, Kind, NodeId, Service};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use tokio::time::Instant;

use crate::{
    codec::Malformed,
    leadership::Heard,
    read_index::{Proof, ReadIndex},
    refetch::Copies,
    rpc::{self, Message},
    snapshot_transfer::Receiver,
    types::{Raft, TypeConfig},
};

/// What a group answers with.
pub(crate) struct Group {
    pub raft: Raft,
    pub read_index: ReadIndex,
    pub snapshots: Receiver,
    pub copies: Copies,
    /// Until then this node votes for nobody: before it went down it may have promised a leader not to, and leases
    /// rest on that promise.
    pub abstains_until: Instant,
    pub heard: Arc<Heard>,
}

/// Serves one group; a newtype, so that calls can share it.
#[derive(Clone)]
pub(crate) struct GroupService(pub Arc<Group>);

impl Service for GroupService {
    fn call(&self, _from: NodeId, kind: Kind, body: Bytes) -> BoxFuture<'_, Result<Bytes, String>> {
        Box::pin(self.0.answer(kind, body))
    }

    fn channel(&self, from: NodeId, kind: Kind, channel: Channel) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match kind {
                rpc::APPEND_STREAM => self.0.appends(channel).await,
                rpc::SNAPSHOT => {
                    if let Err(error) = self.0.snapshots.serve(from, channel).await {
                        tracing::warn!(from, error = %error, "snapshot not received");
                    }
                }
                rpc::COPY => {
                    if let Err(error) = self.0.copies.serve(from, channel).await {
                        tracing::warn!(from, error = %error, "copy not given");
                    }
                }
                // Dropping it is the answer.
                Kind(other) => tracing::debug!(from, kind = other, "channel of an unknown kind"),
            }
        })
    }
}

impl Group {
    async fn answer(&self, kind: Kind, body: Bytes) -> Result<Bytes, String> {
        match kind {
            rpc::APPEND => {
                let request = decode::<AppendEntriesRequest<TypeConfig>>(body)?;
                self.heard.now();
                encode(self.raft.append_entries(request).await)
            }
            rpc::VOTE => {
                let request = self.decode_vote(body)?;
                encode(self.raft.vote(request).await)
            }
            rpc::PRE_VOTE => {
                let request = self.decode_vote(body)?;
                encode(self.raft.pre_vote(request).await)
            }
            rpc::TRANSFER_LEADER => {
                let request = decode::<TransferLeaderRequest<TypeConfig>>(body)?;
                encode(self.raft.handle_transfer_leader(request).await)
            }
            rpc::READ_INDEX => {
                let proof = decode::<Proof>(body)?;
                Ok(self.read_index.get(proof).await.encode())
            }
            Kind(other) => Err(format!("this node knows no call of kind {other}")),
        }
    }

    fn decode_vote(&self, body: Bytes) -> Result<VoteRequest<TypeConfig>, String> {
        if Instant::now() < self.abstains_until {
            return Err("this node started a moment ago and does not vote yet".into());
        }
        decode(body)
    }

    /// Takes appends off the channel, and puts the answers on it in the same order.
    async fn appends(&self, channel: Channel) {
        let Channel { mut sender, receiver } = channel;
        let heard = self.heard.clone();
        let requests = stream::unfold((receiver, heard), |(mut receiver, heard)| async move {
            let frame = receiver.receive().await.ok()??;
            let request = AppendEntriesRequest::<TypeConfig>::decode(frame).ok()?;
            heard.now();
            Some((request, (receiver, heard)))
        });
        let mut answers = Box::pin(self.raft.stream_append(requests));
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(answer) => {
                    if sender.send(answer.encode()).await.is_err() {
                        return;
                    }
                }
                // The core stopped; dropping the channel tells the leader.
                Err(_) => return,
            }
        }
        // An error means that the leader is gone already.
        let _ = sender.finish().await;
    }
}

fn decode<M: Message>(body: Bytes) -> Result<M, String> {
    M::decode(body).map_err(|malformed: Malformed| malformed.to_string())
}

fn encode<M: Message, E: std::fmt::Display>(result: Result<M, E>) -> Result<Bytes, String> {
    result.map(|message| message.encode()).map_err(|error| error.to_string())
}
