//! Whether this node's clock is that of the others. A leader's clock is the shop's time: one that is more than 5 s from the
//! median of all hands the lead to a voter whose clock is not, and says so.
//!
//! It never sets a clock, never touches what is stamped (raft clamps and refuses by itself), and judges nothing with
//! fewer than three clocks.

mod judge;

use std::time::Duration;

use futures::future::join_all;
use net::NodeId;
use raft::{Role, Status};
use tokio::time::{Instant, sleep};

use self::judge::{Reading, Verdict, judge};
use crate::clock::SystemClock;
use crate::replica::Replica;
use crate::telemetry::Metrics;

/// From one comparison to the next.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A clock that is not told within this says too little.
const ASK_LIMIT: Duration = Duration::from_secs(1);
/// How long one hand-over may take.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);
/// So many comparisons in a row must find the clock wrong: one may be a pause of this process.
const PATIENCE: u32 = 2;

/// The comparing of one node.
pub struct Timekeeping {
    replica: Replica,
    clock: SystemClock,
    metrics: Metrics,
    /// How often in a row the clock was wrong.
    wrong: u32,
    /// What was told last, so that what lasts is told once.
    told: Option<String>,
}

impl Timekeeping {
    pub fn new(replica: Replica, clock: SystemClock, metrics: Metrics) -> Timekeeping {
        Timekeeping { replica, clock, metrics, wrong: 0, told: None }
    }

    /// Compares every `interval` until dropped.
    pub async fn run(mut self, interval: Duration) {
        loop {
            self.look().await;
            sleep(interval).await;
        }
    }

    async fn look(&mut self) {
        let status = self.replica.host.status();
        let asked = status.members.iter().filter(|member| member.id != status.node);
        let readings = join_all(asked.map(|member| self.reading(member.id))).await;
        let readings: Vec<Reading> = readings.into_iter().flatten().collect();
        let verdict = judge(&readings);
        self.metrics.clock.compared(readings.len() + 1, verdict.as_ref().map(|verdict| verdict.ahead_ms));
        match verdict {
            Some(verdict) if verdict.is_wrong => {
                self.wrong = self.wrong.saturating_add(1);
                if self.wrong >= PATIENCE {
                    self.is_wrong(&verdict).await;
                }
            }
            verdict => {
                self.wrong = 0;
                if self.told.take().is_some() && verdict.is_some() {
                    tracing::info!("this node's clock is that of the others again");
                }
            }
        }
    }

    /// The clock of `node`, if it says in time.
    async fn reading(&self, node: NodeId) -> Option<Reading> {
        let asked = Instant::now();
        let told = self.replica.peers.clock(node, asked + ASK_LIMIT).await;
        let (round_trip, now_ms) = (asked.elapsed(), self.clock.now_ms());
        match told {
            Ok(told_ms) => Some(Reading::new(node, told_ms, now_ms, round_trip.as_millis() as u64)),
            Err(error) => {
                tracing::debug!(peer = node, %error, "its clock is not known");
                None
            }
        }
    }

    async fn is_wrong(&mut self, verdict: &Verdict) {
        let ahead_ms = verdict.ahead_ms;
        let status = self.replica.host.status();
        if status.role != Role::Leader {
            self.tell("a wrong clock", || {
                tracing::warn!(ahead_ms, "this node's clock is not that of the others: set it")
            });
            return;
        }
        let successors = successors(&status, verdict);
        if successors.is_empty() {
            self.tell("nobody", || {
                tracing::error!(
                    ahead_ms,
                    "this node leads with a clock that is not that of the others, and no voter with a better one \
                     answers: set its clock, and start it again"
                );
            });
            return;
        }
        for to in successors {
            tracing::warn!(
                ahead_ms,
                to,
                "this node's clock is not that of the others: handing over the lead"
            );
            match self.replica.host.transfer_leader(to, Instant::now() + HAND_OVER_LIMIT).await {
                Ok(()) => {
                    self.told = Some("handed over".to_owned());
                    return;
                }
                Err(error) => tracing::warn!(to, %error, code = error.code(), "the lead was not handed over"),
            }
        }
    }

    fn tell(&mut self, what: &str, say: impl FnOnce()) {
        if self.told.as_deref() != Some(what) {
            say();
            self.told = Some(what.to_owned());
        }
    }
}

/// Voters that answer and whose clocks are right, best first.
fn successors(status: &Status, verdict: &Verdict) -> Vec<NodeId> {
    let can_lead =
        |id: &NodeId| status.members.iter().any(|member| member.id == *id && member.voter && member.answers);
    verdict.right.iter().copied().filter(can_lead).collect()
}
