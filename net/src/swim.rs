//! SWIM (Das, Gupta, Motivala 2002; here by foca) over datagrams: each node probes another now and then, asks
//! others to try when it gets no answer, and tells everybody what it found on the packets that travel anyway.
//!
//! It learns who is alive, where they are and how busy. It never elects and never removes a voter.

mod announcement;
mod driver;
mod identity;
mod timers;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::{
    members::{Members, Profile},
    transport::{Listener, MAX_DATAGRAM_BYTES, NodeId, Transport},
};

/// Datagrams and wishes that wait for the driver; more datagrams are lost.
const QUEUE: usize = 1_024;

/// How quickly a silent node is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// One member is probed each time that this has passed.
    pub probe_period: Duration,
    /// It must answer by then, or others are asked to try.
    pub probe_rtt: Duration,
    /// A suspect that has not denied it for this long is down.
    pub suspect_for: Duration,
}

impl Pace {
    /// One site: a node that dies is down after about three seconds.
    pub const LAN: Pace = Pace::from_ms(500, 200, 2_000);
    /// Several sites, up to 150 ms apart.
    pub const WAN: Pace = Pace::from_ms(2_000, 800, 8_000);

    const fn from_ms(probe_period: u64, probe_rtt: u64, suspect_for: u64) -> Pace {
        Pace {
            probe_period: Duration::from_millis(probe_period),
            probe_rtt: Duration::from_millis(probe_rtt),
            suspect_for: Duration::from_millis(suspect_for),
        }
    }

    fn for_foca(self) -> foca::Config {
        let mut config = foca::Config::simple();
        config.probe_period = self.probe_period;
        config.probe_rtt = self.probe_rtt;
        config.suspect_to_down_after = self.suspect_for;
        // One byte is the version, before what foca writes.
        config.max_packet_size = NonZeroUsize::new(MAX_DATAGRAM_BYTES - 1).unwrap_or(config.max_packet_size);
        config.notify_down_members = true;
        let every = |frequency, count| {
            NonZeroUsize::new(count).map(|num_members| foca::PeriodicParams { frequency, num_members })
        };
        config.periodic_gossip = every(self.probe_period, 3);
        config.periodic_announce = every(self.probe_period * 20, 1);
        // What lets the two sides of a healed partition find each other again.
        config.periodic_announce_to_down_members = every(self.probe_period * 4, 2);
        config
    }
}

/// What this node is to the others.
#[derive(Debug, Clone)]
pub struct GossipConfig {
    pub node: NodeId,
    /// `host:port` of its cluster endpoint, at most 200 bytes.
    pub address: String,
    /// When this process started, in milliseconds since the Unix epoch: a later life overrules an earlier one.
    pub started_ms: u64,
    pub pace: Pace,
    /// Chooses whom to probe.
    pub seed: u64,
}

/// This node's part in the gossip. When the last clone is dropped it falls silent, as a crash would.
#[derive(Debug, Clone)]
pub struct Gossip {
    wishes: mpsc::Sender<Wish>,
    members: watch::Receiver<Members>,
}

/// What the node wants of the driver.
#[derive(Debug)]
enum Wish {
    Introduce(NodeId, String),
    Forget(NodeId),
    Tell(Profile),
    Leave(tokio::sync::oneshot::Sender<()>),
}

impl Gossip {
    /// Begins to gossip over `transport`, on the current runtime.
    pub fn start(config: GossipConfig, transport: Arc<dyn Transport>) -> Gossip {
        let (wishes, wanted) = mpsc::channel(QUEUE);
        let (heard, hearing) = mpsc::channel(QUEUE);
        let (publish, members) = watch::channel(Members::default());
        transport.hear(Arc::new(Ear(heard)));
        tokio::spawn(driver::Driver::new(config, transport, publish).run(wanted, hearing));
        Gossip { wishes, members }
    }

    /// Tells of a node that belongs to the cluster, by the log, and where it is. Repeating it does no harm.
    pub fn introduce(&self, node: NodeId, address: &str) {
        self.wish(Wish::Introduce(node, address.to_owned()));
    }

    /// A node that was removed: what it says is not heard any more, and nobody speaks of it.
    pub fn forget(&self, node: NodeId) {
        self.wish(Wish::Forget(node));
    }

    /// What the others shall know of this node. A change travels within a second or so.
    pub fn tell(&self, profile: Profile) {
        self.wish(Wish::Tell(profile));
    }

    /// Who is alive, as it changes.
    pub fn members(&self) -> watch::Receiver<Members> {
        self.members.clone()
    }

    /// Says goodbye, so that the others need not find out.
    pub async fn leave(&self) {
        let (done, left) = tokio::sync::oneshot::channel();
        self.wish(Wish::Leave(done));
        // An error means that the driver is gone already.
        let _ = left.await;
    }

    fn wish(&self, wish: Wish) {
        // All of these are repeated by whoever has them, or are the last thing of all.
        if self.wishes.try_send(wish).is_err() {
            tracing::debug!("gossip is behind");
        }
    }
}

/// Queues datagrams for the driver.
struct Ear(mpsc::Sender<(NodeId, Bytes)>);

impl Listener for Ear {
    fn heard(&self, from: NodeId, datagram: Bytes) {
        // A full queue is a lost datagram, which gossip expects.
        let _ = self.0.try_send((from, datagram));
    }
}
