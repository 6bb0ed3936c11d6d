//! This node among the others: what operators order for the group's members, who is alive, and whether this node drains.
//!
//! It decides nothing about the shop and keeps nothing: standings are records of the state, votes are the log's, and
//! what it remembers of others is gossip.

mod neighbours;
mod order;
mod overview;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use net::NodeId;
use raft::Role;
use shop::Code;
use shop::cluster::{self, Standing};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::neighbours::Neighbours;
pub(crate) use self::order::serve;
pub use self::order::{Order, Refusal};
use crate::autopilot::Autopilot;
use crate::gateway::{STORE, SUBMIT_TIMEOUT};
use crate::replica::Replica;

/// The longest that an order is tried, also when the request would wait longer.
const ORDER_LIMIT: Duration = Duration::from_secs(10);
/// How long somebody is looked for who leads, several elections: a client without a quorum hears so within two seconds.
const SEARCH_LIMIT: Duration = SUBMIT_TIMEOUT;
/// How long to wait for another leader to be known.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// Between two looks at the own record while the log moves.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Membership {
    replica: Replica,
    node: NodeId,
    draining: Arc<AtomicBool>,
    neighbours: Neighbours,
}

/// What runs for the membership until it is stopped.
#[derive(Debug)]
pub struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
    neighbours: Neighbours,
}

impl Membership {
    pub fn new(replica: Replica, node: NodeId) -> Membership {
        Membership { replica, node, draining: Arc::default(), neighbours: Neighbours::default() }
    }

    /// Begins to gossip, to follow this node's own standing, and the autopilot.
    pub fn start(
        &self,
        gossip: net::GossipConfig,
        load: impl Fn() -> u16 + Send + Sync + 'static,
    ) -> Running {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        self.neighbours.start(gossip, self.replica.peers.transport());
        tasks.spawn(Autopilot::new(self.replica.clone()).run(stop.clone()));
        tasks.spawn(self.clone().follow_own_standing(stop.clone()));
        tasks.spawn(self.clone().meet(load, stop.clone()));
        tasks.close();
        Running { stop, tasks, neighbours: self.neighbours.clone() }
    }

    /// Whether this node was told to drain: it gives up the lead and its leases, and balancers send it nothing new.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What gossip says of the others.
    pub fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// Has an order carried out by whoever leads, here or over there.
    ///
    /// # Errors
    /// Why it was not; `outcome_unknown` when it may have been. Repeating an order does no harm.
    pub async fn order(&self, order: Order, deadline: Instant) -> Result<(), Refusal> {
        let began = Instant::now();
        let deadline = deadline.min(began + ORDER_LIMIT);
        let search_until = deadline.min(began + SEARCH_LIMIT);
        let mut hint = None;
        loop {
            let status = self.replica.host.status();
            // Whom nothing was heard of for so long does not lead any more, or cannot be asked.
            let known = status.leader.filter(|_| self.replica.host.is_in_touch());
            let leader = hint.take().or(known);
            let taken = async {
                match leader {
                    Some(leader) if leader == self.node || status.role == Role::Leader => {
                        order.carry_out(&self.replica.host, deadline).await
                    }
                    Some(leader) => order.send(&self.replica.peers, leader, deadline).await,
                    None => Err(Refusal::not_leader(None)),
                }
            };
            let result = tokio::select! {
                biased;
                result = taken => result,
                () = self.out_of_touch() => {
                    let detail = "this node lost touch with the others before it was told that the order was carried out";
                    Err(Refusal::new(Code::OutcomeUnknown, detail))
                }
            };
            match result {
                Err(refusal) if refusal.code == Code::NotLeader => {
                    if Instant::now() + RETRY_AFTER >= search_until {
                        let detail = "no leader has taken the order in time; nothing was changed";
                        return Err(Refusal::new(Code::NoQuorum, detail));
                    }
                    hint = refusal.leader.filter(|leader| *leader != self.node);
                    sleep(RETRY_AFTER).await;
                }
                result => return result,
            }
        }
    }

    /// Returns once this node has not heard for two election timeouts that the cluster goes on.
    async fn out_of_touch(&self) {
        while self.replica.host.is_in_touch() {
            sleep(RETRY_AFTER).await;
        }
    }

    /// Reads this node's record again whenever the log has moved.
    async fn follow_own_standing(self, stop: CancellationToken) {
        let mut applied = self.replica.host.applied();
        loop {
            let (store, node) = (self.replica.store.clone(), self.node);
            let read =
                tokio::task::spawn_blocking(move || cluster::node(&store.view().in_scope(STORE), node));
            match read.await {
                Ok(Ok(record)) => {
                    let draining = record.is_some_and(|record| record.standing == Standing::Draining);
                    if self.draining.swap(draining, Ordering::Relaxed) != draining {
                        tracing::info!(draining, "this node's standing changed");
                    }
                }
                Ok(Err(fault)) => tracing::error!(%fault, "this node's record cannot be read"),
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = applied.changed() => if changed.is_err() { return },
            }
        }
    }
}

impl Running {
    /// Says goodbye to the others and stops, within `limit`.
    pub async fn stop(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        // Whoever does not hear it finds out by silence.
        let _ = timeout_at(deadline, self.neighbours.leave()).await;
        self.stop.cancel();
        let _ = timeout_at(deadline, self.tasks.wait()).await;
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("node", &self.node).finish_non_exhaustive()
    }
}
