//! A fresh copy of the state, taken before this node takes part again.
//!
//! A node whose state was outvoted or is damaged keeps its log and its vote: the others count on both. It asks the
//! leader for a copy as of now, puts that in the place of its own state, and then starts as after any restart: what
//! its log has behind the copy is applied once it is committed.
//!
//! ```text
//! asking    1
//! leader    offer: 1 | ?last log id | members, then frames of the export, then the end of the channel
//! ```

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use net::{Channel, FrameReceiver, GroupId, Lane, NetError, NodeId, Route, Transport};
use openraft::storage::RaftLogStorage;
use storage::{Received, Store};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    applier::write_position,
    codec::{self, Malformed, Reader, put_optional_log_id, read_optional_log_id},
    error::Fault,
    rpc::{self, Message},
    snapshot::{Frames, OpenSnapshot, aside},
    snapshot_transfer::TransferError,
    types::{LogId, Raft, SnapshotMeta, TypeConfig},
};

/// A peer that is up answers within this time.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// The other side must read or write something within this time.
const STALL_LIMIT: Duration = Duration::from_secs(15);
/// Between two rounds of asking all peers.
const PAUSE: Duration = Duration::from_millis(500);

/// What a node asks for before it takes part again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refetch {
    /// Who may lead, and where they are.
    pub peers: Vec<(NodeId, String)>,
    /// How long to look for a leader that gives a copy.
    pub limit: Duration,
}

/// What a copy is of.
#[derive(Debug, Clone, PartialEq)]
struct Offer(SnapshotMeta);

impl Message for Offer {
    const WHAT: &'static str = "copy";

    fn put(&self, out: &mut BytesMut) {
        put_optional_log_id(out, self.0.last_log_id.as_ref());
        out.put_slice(&codec::encode_stored_membership(&self.0.last_membership));
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let last_log_id = read_optional_log_id(reader)?;
        let last_membership = codec::decode_stored_membership(reader.take_rest())?;
        Ok(Offer(SnapshotMeta { last_log_id, last_membership }))
    }
}

/// Gives copies to those who ask, while this node leads.
pub(crate) struct Copies {
    pub raft: Raft,
    pub store: Arc<Store>,
    pub off_thread: bool,
}

impl Copies {
    /// Serves one channel until the copy is sent. Dropping it says that another node leads.
    pub(crate) async fn serve(&self, from: NodeId, channel: Channel) -> Result<(), TransferError> {
        let Channel { mut sender, mut receiver } = channel;
        let question = receive(&mut receiver, from).await?;
        Reader::new("question for a copy", question).version()?;
        if !self.raft.is_leader() {
            return Ok(());
        }
        let Some(open) = OpenSnapshot::of(&self.store)? else { return Ok(()) };
        tracing::info!(
            to = from,
            index = open.meta.last_log_id.map(|id| id.index),
            "gives a copy of the state"
        );
        within(from, sender.send(Offer(open.meta.clone()).encode())).await?;
        let mut frames = Frames::new(&open, None, self.off_thread)?;
        while let Some(frame) = frames.next().await? {
            within(from, sender.send(frame)).await?;
        }
        within(from, sender.finish()).await?;
        Ok(())
    }
}

/// What the asking node has.
pub(crate) struct Asking<'a, L> {
    pub plan: &'a Refetch,
    pub group: GroupId,
    pub store: &'a Arc<Store>,
    pub transport: &'a dyn Transport,
    pub log: L,
    pub off_thread: bool,
}

impl<L: RaftLogStorage<TypeConfig>> Asking<'_, L> {
    /// Returns when a copy is the state of this store, durably, and the log fits it.
    pub(crate) async fn run(mut self) -> Result<(), Fault> {
        for (id, address) in &self.plan.peers {
            self.transport.know(*id, address);
        }
        let failed = |source| Fault::Log { doing: "reading its bounds", source };
        let purged = self.log.get_log_state().await.map_err(failed)?.last_purged_log_id;
        let until = Instant::now() + self.plan.limit;
        let mut why = "no peer is known".to_owned();
        loop {
            for (peer, _) in &self.plan.peers {
                match self.ask(*peer).await {
                    // Older than what the log begins with: between the two something would be missing.
                    Ok((meta, _)) if meta.last_log_id < purged => why = format!("node {peer} lags behind"),
                    Ok((meta, received)) => return self.adopt(meta, received).await,
                    Err(TransferError::Fault(fault)) => return Err(fault),
                    Err(error) => why = format!("node {peer}: {error}"),
                }
            }
            if Instant::now() >= until {
                return Err(Fault::NoCopy { why });
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, peer: NodeId) -> Result<(SnapshotMeta, Received), TransferError> {
        let route = Route { peer, group: self.group, kind: rpc::COPY };
        let channel = self.transport.open(route, Lane::Bulk, Instant::now() + CONNECT_LIMIT).await?;
        let Channel { mut sender, mut receiver } = channel;
        within(peer, sender.send(Bytes::from_static(&[rpc::VERSION]))).await?;
        let Offer(meta) = Offer::decode(receive(&mut receiver, peer).await?)?;
        let mut incoming = self.store.receive()?;
        while let Some(frame) = within(peer, receiver.receive()).await? {
            let (arrived, pushed) = aside(self.off_thread, move || {
                let pushed = incoming.push(&frame);
                (incoming, pushed)
            })
            .await?;
            incoming = arrived;
            damaged_on_the_way(peer, pushed)?;
        }
        let received = aside(self.off_thread, move || incoming.finish()).await?;
        Ok((meta, damaged_on_the_way(peer, received)?))
    }

    /// First the state, durably, then the log: an entry that this node has acknowledged must not be forgotten before
    /// the copy, in which it is, has its place.
    async fn adopt(&mut self, meta: SnapshotMeta, received: Received) -> Result<(), Fault> {
        let Some(at) = meta.last_log_id else { return Err(Fault::NoCopy { why: "it is of nothing".into() }) };
        let (store, members) = (self.store.clone(), meta.last_membership);
        aside(self.off_thread, move || store.install(received, |txn| write_position(txn, &at, &members)))
            .await??;
        let failed = |source| Fault::Log { doing: "fitting it to a copy of the state", source };
        let there = self.log.get_log_reader().await;
        let found = entry_at(there, at.index).await.map_err(failed)?;
        if found != Some(at) {
            // The log ends before the copy, or went another way there: what it has from there on was never committed.
            if found.is_some() {
                let before = match at.index.checked_sub(1) {
                    Some(before) => {
                        let there = self.log.get_log_reader().await;
                        entry_at(there, before).await.map_err(failed)?
                    }
                    None => None,
                };
                let purged = self.log.get_log_state().await.map_err(failed)?.last_purged_log_id;
                self.log.truncate_after(before.or(purged)).await.map_err(failed)?;
            }
            // All before is in the copy. It is purged, not truncated: what was committed may only go as done with.
            self.log.purge(at).await.map_err(failed)?;
        }
        tracing::info!(index = at.index, "a copy of the leader's state took the place of this node's");
        Ok(())
    }
}

async fn entry_at(
    mut log: impl openraft::RaftLogReader<TypeConfig>,
    index: u64,
) -> Result<Option<LogId>, std::io::Error> {
    let found = log.try_get_log_entries(index..index + 1).await?;
    Ok(found.first().map(|entry| entry.log_id))
}

/// What is wrong with the copy is no fault of this node: another one may do better.
fn damaged_on_the_way<T>(peer: NodeId, result: Result<T, storage::Fault>) -> Result<T, TransferError> {
    result.map_err(|fault| match fault {
        storage::Fault::BadCopy { .. } | storage::Fault::Incomplete { .. } => {
            NetError::Lost { peer, why: fault.to_string() }.into()
        }
        fault => fault.into(),
    })
}

async fn receive(receiver: &mut Box<dyn FrameReceiver>, peer: NodeId) -> Result<Bytes, NetError> {
    match within(peer, receiver.receive()).await? {
        Some(frame) => Ok(frame),
        None => Err(NetError::Lost { peer, why: "the channel ended early".into() }),
    }
}

async fn within<T>(peer: NodeId, work: impl Future<Output = Result<T, NetError>>) -> Result<T, NetError> {
    timeout(STALL_LIMIT, work).await.unwrap_or(Err(NetError::Timeout { peer, waited: STALL_LIMIT }))
}

#[cfg(test)]
mod tests {
    use openraft::vote::RaftLeaderId;

    use super::*;
    use crate::types::{LeaderId, StoredMembership};

    #[test]
    fn the_messages_are_pinned() {
        let last_log_id = Some(LogId::new(LeaderId::new(1, 2), 3));
        let offer = Offer(SnapshotMeta { last_log_id, last_membership: StoredMembership::default() });
        let bytes = offer.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01010000000000000001000000000000000200000000000000030001000000");
        assert_eq!(Offer::decode(bytes).unwrap(), offer);
    }
}
