//! Peers, as openraft sees them.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream};
use net::{Channel, GroupId, Kind, Lane, NetError, NodeId, Route, Transport};
use openraft::{
    OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{Backoff, RPCOption, stream_append_sequential},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::time::{Instant, timeout_at};

use crate::{
    rpc::{self, Message},
    snapshot::{Exports, SnapshotHandle},
    snapshot_transfer::{self, TransferError},
    types::{NodeInfo, Snapshot, TypeConfig, Vote},
};

/// Appends in flight to one peer. A second one hides a round trip; more make many small appends out of few large
/// ones.
const MAX_IN_FLIGHT: usize = 2;

/// How often other tasks get their turn before the next request is asked for: the core, the rounds, the core, and one to spare.
const TURNS: u32 = 4;

/// openraft allows an answer three quarters of a heartbeat, which is less than an fsync takes on a busy disk.
const MIN_APPEND_LIMIT: Duration = Duration::from_millis(200);

/// How long to leave an unreachable peer alone.
const RETRY_AFTER: Duration = Duration::from_millis(50);

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;
type Request = AppendEntriesRequest<TypeConfig>;
type Answer = StreamAppendResult<TypeConfig>;

/// Makes a [`Peer`] for each task of openraft that talks to one.
#[derive(Clone)]
pub(crate) struct Peers {
    pub transport: Arc<dyn Transport>,
    pub node: NodeId,
    pub group: GroupId,
    pub exports: Exports,
    pub off_thread: bool,
}

pub(crate) struct Peer {
    shared: Peers,
    id: NodeId,
    /// Heartbeats come one at a time; a channel for each would be waste.
    heartbeat: bool,
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &NodeInfo) -> Peer {
        self.transport.know(target, &node.cluster);
        Peer { shared: self.clone(), id: target, heartbeat: false }
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &NodeInfo) -> Peer {
        Peer { heartbeat: true, ..self.new_client(target, node).await }
    }
}

impl Peer {
    fn route(&self, kind: Kind) -> Route {
        Route { peer: self.id, group: self.shared.group, kind }
    }

    async fn call<Q: Message, A: Message>(
        &self,
        kind: Kind,
        action: RPCTypes,
        request: &Q,
        limit: Duration,
    ) -> RpcResult<A> {
        let deadline = Instant::now() + limit;
        let answer = self.shared.transport.call(self.route(kind), request.encode(), deadline).await;
        let answer = answer.map_err(|error| self.rpc_error(error, action))?;
        A::decode(answer).map_err(|malformed| RPCError::Network(NetworkError::new(&malformed)))
    }

    fn rpc_error(&self, error: NetError, action: RPCTypes) -> RPCError<TypeConfig> {
        match error {
            NetError::Unreachable { .. } => RPCError::Unreachable(Unreachable::new(&error)),
            NetError::Timeout { waited, .. } => RPCError::Timeout(self.timeout(action, waited)),
            other => RPCError::Network(NetworkError::new(&other)),
        }
    }

    fn timeout(&self, action: RPCTypes, timeout: Duration) -> Timeout<TypeConfig> {
        Timeout { action, id: self.shared.node, target: self.id, timeout }
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotHandle;

    async fn append_entries(
        &mut self,
        rpc: Request,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        let limit = if self.heartbeat { option.soft_ttl() } else { append_limit(&option) };
        self.call(rpc::APPEND, RPCTypes::AppendEntries, &rpc, limit).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<Answer>>>>
    where
        S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
    {
        if self.heartbeat {
            return stream_append_sequential(self, input, option);
        }
        let pipeline = Pipeline {
            peer: self,
            input: Some(input),
            channel: None,
            sent_at: VecDeque::with_capacity(MAX_IN_FLIGHT),
            limit: append_limit(&option),
        };
        // Never an error from here: openraft would call again at once, without end. Its back-off sleeps inside
        // `input.next()`, so the pipeline takes a request before it connects, and fails as part of the stream.
        let answers = stream::unfold(Some(pipeline), |pipeline| async move {
            let mut pipeline = pipeline?;
            match pipeline.next().await {
                Ok(None) => None,
                // A conflict or a higher vote ends the stream; so does an error.
                Ok(Some(Err(refusal))) => Some((Ok(Err(refusal)), None)),
                Ok(Some(answer)) => Some((Ok(answer), Some(pipeline))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let answers: BoxStream<'s, RpcResult<Answer>> = answers.boxed();
        async move { Ok(answers) }.boxed()
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.call(rpc::VOTE, RPCTypes::Vote, &rpc, option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.call(rpc::PRE_VOTE, RPCTypes::Vote, &rpc, option.soft_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let SnapshotHandle::Open(open) = snapshot.snapshot else {
            let why = "the snapshot has no content to send";
            return Err(StreamingError::Unreachable(Unreachable::from_string(why)));
        };
        let route = self.route(rpc::SNAPSHOT);
        let Peers { transport, off_thread, exports, .. } = &self.shared;
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = snapshot_transfer::send(transport.as_ref(), route, vote, &open, *off_thread) => {
                sent.map_err(|error| self.streaming_error(error, exports))
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        self.call(rpc::TRANSFER_LEADER, RPCTypes::TransferLeader, &request, option.soft_ttl()).await
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY_AFTER)))
    }
}

impl Peer {
    fn streaming_error(&self, error: TransferError, exports: &Exports) -> StreamingError<TypeConfig> {
        tracing::info!(peer = self.id, error = %error, "snapshot transfer interrupted");
        match error {
            // "Unreachable" makes openraft wait before it tries again, which all of these deserve.
            TransferError::Net(error) => StreamingError::Unreachable(Unreachable::new(&error)),
            TransferError::Peer(malformed) => StreamingError::Unreachable(Unreachable::new(&malformed)),
            TransferError::Fault(fault) => {
                exports.forget();
                StreamingError::Unreachable(Unreachable::new(&fault))
            }
        }
    }
}

/// `future`, polled when all tasks that were ready have run a few times.
///
/// A peer's answer makes the core commit; that lets the next round of commands into the log, and what openraft gives next has
/// both the commit index and the round. Asked at once, it gives the commit index alone, which costs a message and an
/// answer more, and wakes both nodes for it.
async fn after_others<T>(mut future: impl Future<Output = T> + Unpin) -> T {
    let mut left = TURNS;
    poll_fn(|context| {
        if left > 0 {
            left -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        left = TURNS;
        future.poll_unpin(context)
    })
    .await
}

fn append_limit(option: &RPCOption) -> Duration {
    option.soft_ttl().max(MIN_APPEND_LIMIT)
}

/// Requests on their way and answers on theirs, in order, on one channel.
///
/// openraft hands in `input` with a lock that it takes again when the answers end: everything is therefore driven
/// from inside the stream of answers, and `input` goes when that goes.
struct Pipeline<'s, S> {
    peer: &'s Peer,
    input: Option<S>,
    channel: Option<Channel>,
    /// When the unanswered requests were sent, oldest first.
    sent_at: VecDeque<Instant>,
    limit: Duration,
}

/// What happened first.
enum Event {
    Request(Option<Request>),
    Answer(Result<Option<bytes::Bytes>, NetError>),
    Silence,
}

impl<S> Pipeline<'_, S>
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    /// The next answer; `None` when everything is asked and answered.
    async fn next(&mut self) -> RpcResult<Option<Answer>> {
        loop {
            if self.input.is_none() && self.sent_at.is_empty() {
                return Ok(None);
            }
            match self.event().await {
                Event::Request(Some(request)) => {
                    self.send(request).await.map_err(|error| self.rpc_error(error))?;
                }
                Event::Request(None) => self.input = None,
                Event::Answer(Ok(Some(bytes))) => {
                    self.sent_at.pop_front();
                    let answer = Answer::decode(bytes);
                    return answer
                        .map(Some)
                        .map_err(|malformed| RPCError::Network(NetworkError::new(&malformed)));
                }
                Event::Answer(Ok(None)) => {
                    let lost = NetError::Lost { peer: self.peer.id, why: "the channel ended early".into() };
                    return Err(self.rpc_error(lost));
                }
                Event::Answer(Err(error)) => return Err(self.rpc_error(error)),
                Event::Silence => {
                    let timeout = self.peer.timeout(RPCTypes::AppendEntries, self.limit);
                    return Err(RPCError::Timeout(timeout));
                }
            }
        }
    }

    /// Waits for whatever may come next. What is not taken stays where it is: both sources can be asked again.
    async fn event(&mut self) -> Event {
        let full = self.sent_at.len() >= MAX_IN_FLIGHT;
        let deadline = self.sent_at.front().map(|oldest| *oldest + self.limit);
        let request = async {
            match &mut self.input {
                Some(input) if !full => after_others(input.next()).await,
                _ => std::future::pending().await,
            }
        };
        let answer = async {
            match (&mut self.channel, deadline) {
                (Some(channel), Some(deadline)) => {
                    match timeout_at(deadline, channel.receiver.receive()).await {
                        Ok(answer) => Event::Answer(answer),
                        Err(_) => Event::Silence,
                    }
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            event = answer => event,
            request = request => Event::Request(request),
        }
    }

    async fn send(&mut self, request: Request) -> Result<(), NetError> {
        let deadline = Instant::now() + self.limit;
        let late = || NetError::Timeout { peer: self.peer.id, waited: self.limit };
        if self.channel.is_none() {
            let route = self.peer.route(rpc::APPEND_STREAM);
            let opened = self.peer.shared.transport.open(route, Lane::Steady, deadline).await?;
            self.channel = Some(opened);
        }
        if let Some(channel) = &mut self.channel {
            timeout_at(deadline, channel.sender.send(request.encode())).await.map_err(|_| late())??;
        }
        self.sent_at.push_back(Instant::now());
        Ok(())
    }

    fn rpc_error(&self, error: NetError) -> RPCError<TypeConfig> {
        self.peer.rpc_error(error, RPCTypes::AppendEntries)
    }
}
