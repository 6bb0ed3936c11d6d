//! A snapshot on its way from one node to another.
//!
//! ```text
//! leader    offer    1 | leader's vote | ?last log id | export u64 | members
//! follower  resume   1 | 0 from the beginning · 1 last key, to the end of the frame
//! leader    frames of the export, then the end of the channel
//! follower  answer   1 | vote
//! ```
//!
//! A follower keeps what has arrived when the channel breaks, and the leader keeps the export open for a while: the
//! next attempt names the same export and goes on behind the last key.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use net::{Channel, FrameReceiver, Lane, NetError, NodeId, Route, Transport};
use openraft::raft::SnapshotResponse;
use storage::{Incoming, Store};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::{
    codec::{self, Malformed, Reader, put_optional_log_id, put_vote, read_optional_log_id, read_vote},
    error::Fault,
    observer::Observer,
    rpc::Message,
    snapshot::{Frames, OpenSnapshot, SnapshotHandle, aside},
    types::{Raft, Snapshot, SnapshotMeta, TypeConfig, Vote},
};

/// A peer that is up answers within this time.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The other side must read or write something within this time.
const STALL_LIMIT: Duration = Duration::from_secs(15);

/// After each piece the receiver rests as long as the piece took, and at most for so long: nodes may share a machine with
/// those that sell meanwhile, and a copy in no hurry costs them nothing that buyers notice.
const LONGEST_REST: Duration = Duration::from_millis(200);

/// Checking, syncing and installing a large copy takes longer than any frame.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Offer {
    vote: Vote,
    meta: SnapshotMeta,
    /// Unique in the sender's process.
    export: u64,
}

impl Message for Offer {
    const WHAT: &'static str = "snapshot offer";

    fn put(&self, out: &mut BytesMut) {
        put_vote(out, &self.vote);
        put_optional_log_id(out, self.meta.last_log_id.as_ref());
        out.put_u64(self.export);
        out.put_slice(&codec::encode_stored_membership(&self.meta.last_membership));
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let vote = read_vote(reader)?;
        let last_log_id = read_optional_log_id(reader)?;
        let export = reader.u64()?;
        let last_membership = codec::decode_stored_membership(reader.take_rest())?;
        Ok(Offer { vote, meta: SnapshotMeta { last_log_id, last_membership }, export })
    }
}

/// Where the leader should begin.
#[derive(Debug, PartialEq, Eq)]
struct Resume {
    after: Option<Bytes>,
}

impl Message for Resume {
    const WHAT: &'static str = "snapshot resume";

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.after.is_some().into());
        out.put_slice(self.after.as_deref().unwrap_or_default());
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Resume { after: if reader.flag()? { Some(reader.take_rest()) } else { None } })
    }
}

impl Message for SnapshotResponse<TypeConfig> {
    const WHAT: &'static str = "snapshot answer";

    fn put(&self, out: &mut BytesMut) {
        put_vote(out, &self.vote);
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        read_vote(reader).map(SnapshotResponse::new)
    }
}

/// Why a transfer ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// The network or the other node: worth another try.
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the other node sent what it should not: {0}")]
    Peer(#[from] Malformed),
    /// The export was given up or the disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<storage::Fault> for TransferError {
    fn from(fault: storage::Fault) -> Self {
        TransferError::Fault(fault.into())
    }
}

/// Sends a snapshot and waits until it is installed.
pub(crate) async fn send(
    transport: &dyn Transport,
    route: Route,
    vote: Vote,
    open: &OpenSnapshot,
    off_thread: bool,
) -> Result<SnapshotResponse<TypeConfig>, TransferError> {
    let peer = route.peer;
    let channel = transport.open(route, Lane::Bulk, Instant::now() + CONNECT_LIMIT).await?;
    let Channel { mut sender, mut receiver } = channel;
    let offer = Offer { vote, meta: open.meta.clone(), export: open.export.id() };
    within(STALL_LIMIT, peer, sender.send(offer.encode())).await?;
    let resume = Resume::decode(receive(&mut receiver, STALL_LIMIT, peer).await?)?;
    open.note_read();
    let mut frames = Frames::new(open, resume.after.as_deref(), off_thread)?;
    while let Some(frame) = frames.next().await? {
        within(STALL_LIMIT, peer, sender.send(frame)).await?;
        open.note_read();
    }
    within(STALL_LIMIT, peer, sender.finish()).await?;
    Ok(SnapshotResponse::decode(receive(&mut receiver, INSTALL_LIMIT, peer).await?)?)
}

/// Receives snapshots, one at a time.
pub(crate) struct Receiver {
    raft: Raft,
    store: Arc<Store>,
    observer: Arc<dyn Observer>,
    off_thread: bool,
    /// What has arrived of the last one that did not arrive wholly.
    partial: Mutex<Option<Partial>>,
}

struct Partial {
    from: NodeId,
    export: u64,
    meta: SnapshotMeta,
    incoming: Incoming,
}

impl Receiver {
    pub(crate) fn new(
        raft: Raft,
        store: Arc<Store>,
        observer: Arc<dyn Observer>,
        off_thread: bool,
    ) -> Receiver {
        Receiver { raft, store, observer, off_thread, partial: Mutex::new(None) }
    }

    /// Receives what `from` offers on this channel, installs it, and says so.
    pub(crate) async fn serve(&self, from: NodeId, channel: Channel) -> Result<(), TransferError> {
        let Channel { mut sender, mut receiver } = channel;
        let offer = Offer::decode(receive(&mut receiver, STALL_LIMIT, from).await?)?;
        let Ok(mut partial) = self.partial.try_lock() else {
            // Dropping the channel tells the sender to try again later.
            return Ok(());
        };
        let mut arriving = self.resume(&mut partial, from, &offer)?;
        let after = arriving.incoming.last_key().map(Bytes::copy_from_slice);
        if after.is_some() {
            self.observer.snapshot_resumed();
            tracing::info!(
                from,
                records = arriving.incoming.records(),
                "a snapshot that was cut off goes on"
            );
        }
        within(STALL_LIMIT, from, sender.send(Resume { after }.encode())).await?;
        loop {
            let frame = match timeout(STALL_LIMIT, receiver.receive()).await {
                Ok(Ok(Some(frame))) => frame,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    *partial = Some(arriving);
                    return Err(error.into());
                }
                Err(_) => {
                    *partial = Some(arriving);
                    return Err(NetError::Timeout { peer: from, waited: STALL_LIMIT }.into());
                }
            };
            self.observer.snapshot_frame(frame.len() as u64);
            let began = Instant::now();
            arriving = self.push(arriving, frame).await?;
            sleep(began.elapsed().min(LONGEST_REST)).await;
        }
        let received = aside(self.off_thread, move || arriving.incoming.finish()).await??;
        let handle = SnapshotHandle::Received(Box::new(received));
        let snapshot = Snapshot { meta: offer.meta, snapshot: handle };
        let answer = self
            .raft
            .install_full_snapshot(offer.vote, snapshot)
            .await
            .map_err(|fatal| Fault::Consensus(fatal.to_string()))?;
        within(STALL_LIMIT, from, sender.send(answer.encode())).await?;
        within(STALL_LIMIT, from, sender.finish()).await?;
        Ok(())
    }

    fn resume(
        &self,
        partial: &mut Option<Partial>,
        from: NodeId,
        offer: &Offer,
    ) -> Result<Partial, TransferError> {
        if let Some(mut arrived) = partial.take()
            && (arrived.from, arrived.export) == (from, offer.export)
            // Export ids begin anew when the sender restarts; the same index and id may then be another export,
            // but never one with other content up to a key: the state at an index is the same everywhere.
            && arrived.meta == offer.meta
        {
            arrived.incoming.restart_frame();
            return Ok(arrived);
        }
        let incoming = self.store.receive()?;
        Ok(Partial { from, export: offer.export, meta: offer.meta.clone(), incoming })
    }

    async fn push(&self, mut arriving: Partial, frame: Bytes) -> Result<Partial, TransferError> {
        let (arriving, pushed) = aside(self.off_thread, move || {
            let pushed = arriving.incoming.push(&frame);
            (arriving, pushed)
        })
        .await?;
        pushed?;
        Ok(arriving)
    }
}

async fn receive(
    receiver: &mut Box<dyn FrameReceiver>,
    limit: Duration,
    peer: NodeId,
) -> Result<Bytes, NetError> {
    match within(limit, peer, receiver.receive()).await? {
        Some(frame) => Ok(frame),
        None => Err(NetError::Lost { peer, why: "the channel ended early".into() }),
    }
}

async fn within<T>(
    limit: Duration,
    peer: NodeId,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    timeout(limit, work).await.unwrap_or(Err(NetError::Timeout { peer, waited: limit }))
}

#[cfg(test)]
mod tests {
    use openraft::vote::RaftLeaderId;

    use super::*;
    use crate::types::{LeaderId, LogId, StoredMembership};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_messages_are_pinned() {
        let last_log_id = Some(LogId::new(LeaderId::new(1, 2), 3));
        let meta = SnapshotMeta { last_log_id, last_membership: StoredMembership::default() };
        let bytes = Offer { vote: Vote::new(4, 5), meta: meta.clone(), export: 6 }.encode();
        assert_eq!(
            hex(&bytes),
            "010000000000000004000000000000000500\
             01000000000000000100000000000000020000000000000003\
             0000000000000006\
             0001000000"
        );
        let back = Offer::decode(bytes).unwrap();
        assert_eq!((back.vote, back.meta, back.export), (Vote::new(4, 5), meta, 6));
        assert_eq!(hex(&Resume { after: None }.encode()), "0100");
        let after = Resume { after: Some(Bytes::from_static(b"k")) };
        assert_eq!(hex(&after.encode()), "01016b");
        assert_eq!(Resume::decode(after.encode()).unwrap(), after);
    }
}
