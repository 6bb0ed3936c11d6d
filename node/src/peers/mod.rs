//! The node's own service among its peers ([`GroupId::NODE`](net::GroupId::NODE)): commands forwarded to the leader, reads
//! answered in another's place, and how each node is. What is replicated travels elsewhere, in raft's group.
//!
//! It keeps nothing, decides nothing about membership, and never forwards what was forwarded: a command makes one hop.

mod authority;
mod blob;
mod clock;
mod compact;
mod courier;
mod heard;
mod heartbeat;
mod kind;
mod read;
mod service;
mod spent;
mod status;
mod submit;
mod watch;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use net::{GroupId, Kind, NetError, NodeId, Route, Transport};
use raft::Host;
use tokio::time::Instant;

use crate::clock::SystemClock;
use crate::fence::Fence;
use blob::Shelf;
pub use blob::{MOST_HASHES, put as put_blob};
use courier::Couriers;
use heard::Heard;
pub use heard::Told;
use read::AnswerReads;
pub use read::{Fields, MOST_ANSWER_BYTES, NotRead, ReadAnswer, ReadQuestion};
use service::NodeService;
use status::{Asked, Cache};
pub use status::{Condition, DigestAt, Program, Report, Unanswered};
pub use submit::{Forwarded, NotForwarded, Refusal};
pub use watch::Present;
use watch::Watching;

/// What this node says of itself besides what raft knows.
type OwnCondition = Arc<dyn Fn() -> Condition + Send + Sync>;

/// Hears what callers spent at other nodes.
type HearSpent = Box<dyn Fn(Bytes) + Send + Sync>;

/// Hears that an operator wants this node's state to get new files.
type HearCompact = Box<dyn Fn() + Send + Sync>;

/// Hears that a member of a consumer group lives; whether this node leads.
type HearHeartbeat = Box<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Says which authority signed this node's certificate.
type TellAuthority = Box<dyn Fn() -> Option<[u8; 32]> + Send + Sync>;

/// The other nodes, as this one asks them. Cheap to clone.
#[derive(Clone)]
pub struct Peers(Arc<Shared>);

struct Shared {
    host: Host,
    fence: Fence,
    clock: SystemClock,
    transport: Arc<dyn Transport>,
    program: Program,
    condition: OnceLock<OwnCondition>,
    hear_spent: OnceLock<HearSpent>,
    answer_reads: OnceLock<AnswerReads>,
    hear_compact: OnceLock<HearCompact>,
    hear_heartbeat: OnceLock<HearHeartbeat>,
    tell_authority: OnceLock<TellAuthority>,
    shelf: OnceLock<Arc<Shelf>>,
    couriers: Couriers,
    cache: Cache,
    heard: Heard,
    watching: Watching,
}

impl Peers {
    /// Asks and answers over `transport` from now on.
    pub fn new(
        host: Host,
        transport: Arc<dyn Transport>,
        program: Program,
        clock: SystemClock,
        fence: Fence,
    ) -> Peers {
        let peers = Peers(Arc::new(Shared {
            host,
            fence,
            clock,
            transport,
            program,
            condition: OnceLock::new(),
            hear_spent: OnceLock::new(),
            answer_reads: OnceLock::new(),
            hear_compact: OnceLock::new(),
            hear_heartbeat: OnceLock::new(),
            tell_authority: OnceLock::new(),
            shelf: OnceLock::new(),
            couriers: Couriers::default(),
            cache: Cache::default(),
            heard: Heard::default(),
            watching: Watching::default(),
        }));
        let service = NodeService::new(Arc::downgrade(&peers.0));
        peers.0.transport.serve(GroupId::NODE, Arc::new(service));
        peers
    }

    /// From where this node's own condition is known. Until then it counts as one that cannot serve. The first one told
    /// stays.
    pub fn tell(&self, condition: impl Fn() -> Condition + Send + Sync + 'static) {
        // An error means that it was told before.
        let _ = self.0.condition.set(Arc::new(condition));
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.0.host.node()
    }

    /// How busy this node is, in thousandths of what it admits.
    pub(crate) fn own_load(&self) -> u16 {
        self.0.condition().load_per_mille.try_into().unwrap_or(u16::MAX)
    }

    /// What carries the questions.
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        self.0.transport.clone()
    }

    /// Asks `leader` to carry out an order for the members of the log's group.
    pub(crate) async fn order(
        &self,
        leader: NodeId,
        order: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, NetError> {
        self.call(leader, kind::ORDER, order, deadline).await
    }

    async fn call(
        &self,
        peer: NodeId,
        kind: Kind,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, NetError> {
        let route = Route { peer, group: GroupId::NODE, kind };
        self.0.transport.call(route, body, deadline).await
    }
}

impl Shared {
    fn condition(&self) -> Condition {
        self.condition.get().map_or_else(Condition::starting, |condition| condition())
    }

    /// How this node is, as it tells its peers.
    fn report(&self, asked: Asked) -> Report {
        Report::new(&self.host, self.condition(), self.program, asked)
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}
