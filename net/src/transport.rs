//! The interface between what nodes say and how it travels.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::NetError;

/// A node's number in the cluster. It comes from the log and is never used twice.
pub type NodeId = u64;

/// Which replicated group a frame is for. There is one group now; every frame names it, so that more can come
/// without a new format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u32);

impl GroupId {
    /// Not a replicated group: the node itself answers (forwarded commands, how it is, gossip's companions).
    pub const NODE: GroupId = GroupId(0);
    /// The replicated group that every cluster has.
    pub const FIRST: GroupId = GroupId(1);
}

/// What a call or channel is about. The numbers belong to whoever serves the group; retire, never reuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u8);

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub peer: NodeId,
    pub group: GroupId,
    pub kind: Kind,
}

/// The largest datagram: what a path with an MTU of 1,200 bytes carries, less what QUIC puts around it.
pub const MAX_DATAGRAM_BYTES: usize = 1_100;

/// Which connection a channel may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The peer's one long-lived connection: small, frequent frames.
    Steady,
    /// A connection of its own, closed with the channel: megabytes that must not delay heartbeats.
    Bulk,
}

/// A boxed future, so that the traits here can be used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries requests and channels to peers, and hands theirs to a [`Service`].
///
/// Every exchange has a deadline; no method waits past it.
pub trait Transport: Send + Sync + 'static {
    /// Binds and begins to serve, on the caller's runtime. A second call changes nothing.
    ///
    /// # Errors
    /// [`NetError::Endpoint`] if the address cannot be bound or the identity cannot be used.
    fn start(&self) -> BoxFuture<'_, Result<(), NetError>>;

    /// Learns, or replaces, the address at which `peer` serves.
    fn know(&self, peer: NodeId, address: &str);

    /// Sends one request and waits for its answer.
    fn call(&self, route: Route, body: Bytes, deadline: Instant) -> BoxFuture<'_, Result<Bytes, NetError>>;

    /// Opens a channel of frames, ordered in each direction. `deadline` bounds the opening only.
    fn open(&self, route: Route, lane: Lane, deadline: Instant) -> BoxFuture<'_, Result<Channel, NetError>>;

    /// Sends one datagram, of at most [`MAX_DATAGRAM_BYTES`], which may be lost: failure is silence. To a known peer
    /// without a connection a few are kept until there is one.
    fn send_datagram(&self, peer: NodeId, datagram: Bytes);

    /// Names who hears datagrams here, in place of whoever did before.
    fn hear(&self, listener: Arc<dyn Listener>);

    /// Names who answers for `group` here, in place of whoever did before.
    fn serve(&self, group: GroupId, service: Arc<dyn Service>);

    /// From now on `node`, which was removed from the cluster, gets nothing: its connections are closed at once, its
    /// hello is refused, and it is not dialled. Ids are never used twice, so this is for good. It may be called before
    /// [`Transport::start`]. A network without certificates has nobody to refuse.
    fn refuse(&self, _node: NodeId) {}

    /// Closes every connection and stops serving.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// Answers peers. `from` is the id in the peer's certificate, not a claim in the message.
pub trait Service: Send + Sync + 'static {
    /// Answers one request; `Err` travels to the caller as [`NetError::Refused`].
    fn call(&self, from: NodeId, kind: Kind, body: Bytes) -> BoxFuture<'_, Result<Bytes, String>>;

    /// Serves one channel until it ends.
    fn channel(&self, from: NodeId, kind: Kind, channel: Channel) -> BoxFuture<'_, ()>;
}

/// Hears datagrams.
pub trait Listener: Send + Sync + 'static {
    /// Called for each one, where the network is served: it must not wait. `from` is the id in the peer's
    /// certificate.
    fn heard(&self, from: NodeId, datagram: Bytes);
}

/// Both halves of an open channel. Dropping one half abandons it: the other end sees [`NetError::Lost`].
pub struct Channel {
    pub sender: Box<dyn FrameSender>,
    pub receiver: Box<dyn FrameReceiver>,
}

/// The sending half: frames of at most [`crate::frame::MAX_FRAME_BYTES`].
pub trait FrameSender: Send {
    /// Queues a frame; waits while the peer reads too slowly.
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), NetError>>;

    /// Says that no frame follows. The peer's [`FrameReceiver::receive`] then yields `None`.
    fn finish(&mut self) -> BoxFuture<'_, Result<(), NetError>>;
}

/// The receiving half.
pub trait FrameReceiver: Send {
    /// The next frame; `None` after the peer finished. Dropping the future loses nothing: the next call goes on
    /// where it was.
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, NetError>>;
}
