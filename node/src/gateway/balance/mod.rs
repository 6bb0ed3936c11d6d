//! Reads that a busy node lets another one answer: the less loaded of two drawn at random ("power of two choices",
//! Mitzenmacher 2001), over the nodes' own connections. Writes go to the leader whatever its load.
//!
//! What it owns: whether this node is busy, whom it asks, and who is set aside because asking was in vain. What it never
//! does: pass on what was passed on, answer with an older state than this node has, or make a request fail: what another
//! node does not answer is answered here.

mod busy;
mod choose;
mod outliers;
mod pass_on;
mod serve;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use net::NodeId;
use tokio::time::Instant;

use self::busy::Busy;
use self::choose::{Candidate, choose};
use self::outliers::Outliers;
use crate::clock;
use crate::config;
use crate::peers::{NotRead, Peers, ReadAnswer, ReadQuestion, Told};
use crate::telemetry::Metrics;

pub use self::serve::{ForPeers, PassedOn, serve_peers};

/// What a node told longer ago says nothing about how busy it is: three questions in a row were not answered.
const FRESH: Duration = Duration::from_millis(1_500);
/// From one look at the load to the next.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The other nodes, as far as reads go.
pub trait Others: Send + Sync + 'static {
    /// What they told last of how busy they are.
    fn told(&self) -> Vec<(NodeId, Told)>;

    /// Has one answer a read.
    fn read<'a>(
        &'a self,
        node: NodeId,
        question: &'a ReadQuestion,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ReadAnswer, NotRead>>;
}

impl Others for Peers {
    fn told(&self) -> Vec<(NodeId, Told)> {
        Peers::told(self)
    }

    fn read<'a>(
        &'a self,
        node: NodeId,
        question: &'a ReadQuestion,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ReadAnswer, NotRead>> {
        Box::pin(Peers::read(self, node, question, deadline))
    }
}

/// Whom this node lets answer.
pub struct Balance {
    settings: config::Balance,
    metrics: Metrics,
    /// Whether reads are given away at the moment: all that a request looks at as long as they are not.
    spills: AtomicBool,
    others: OnceLock<Arc<dyn Others>>,
    outliers: Mutex<Outliers>,
    /// Where the random numbers are (SplitMix64). They choose among nodes, nothing that must not be guessed.
    random: AtomicU64,
}

impl Balance {
    pub fn new(settings: &config::Balance, metrics: Metrics) -> Balance {
        // Without randomness the nodes choose alike, which costs evenness and nothing else.
        let seed = clock::random().map_or(0, u64::from_le_bytes);
        Balance {
            outliers: Mutex::new(Outliers::new(
                settings.outlier_failures,
                Duration::from_millis(settings.set_aside_ms),
            )),
            settings: settings.clone(),
            metrics,
            spills: AtomicBool::new(false),
            others: OnceLock::new(),
            random: AtomicU64::new(seed),
        }
    }

    /// Whether reads are given away at the moment.
    pub fn spills(&self) -> bool {
        self.spills.load(Ordering::Relaxed)
    }

    /// How busy this node is, in thousandths of what it takes at once. What waits for another node keeps that one busy.
    pub fn load_per_mille(metrics: &Metrics) -> u32 {
        let under_way = metrics.http.in_flight.get() - metrics.balance.waiting.get();
        let most = super::limits::REQUESTS_AT_ONCE as u64;
        (u64::try_from(under_way).unwrap_or(0) * 1_000 / most) as u32
    }

    /// Watches this node's load and the others' until dropped. A node that is alone, or shall not, gives nothing away.
    pub async fn follow(self: Arc<Self>, others: Arc<dyn Others>) {
        if !self.settings.spill_reads {
            return;
        }
        // An error means that it is followed already.
        let _ = self.others.set(others);
        let mut busy = Busy::new(self.settings.busy_per_mille);
        loop {
            let is_busy = busy.look(Balance::load_per_mille(&self.metrics));
            let spills = is_busy && !self.candidates(Instant::now()).is_empty();
            self.spills.store(spills, Ordering::Relaxed);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Who may be chosen: serves, has said lately how busy it is, and is not set aside.
    fn candidates(&self, now: Instant) -> Vec<Candidate> {
        let Some(others) = self.others.get() else { return Vec::new() };
        let told = others.told();
        let mut outliers = self.outliers();
        outliers.keep(|node| told.iter().any(|(known, _)| *known == node));
        let fresh = told.into_iter().filter(|(_, told)| told.serves && now.duration_since(told.at) < FRESH);
        let candidates = fresh
            .filter(|(node, _)| !outliers.is_aside(*node, now))
            .map(|(node, told)| Candidate {
                node,
                load_per_mille: told.load_per_mille.saturating_add(outliers.asked_per_mille(node)),
            })
            .collect();
        self.metrics.balance.set_aside.set(outliers.count_aside(now) as i64);
        candidates
    }

    /// The node to ask now, unless none is less busy.
    fn choose(&self) -> Option<NodeId> {
        let own = Balance::load_per_mille(&self.metrics);
        let candidates = self.candidates(Instant::now());
        let chosen = choose(&candidates, |below| self.draw(below))?;
        (chosen.load_per_mille.saturating_add(self.settings.margin_per_mille) <= own).then_some(chosen.node)
    }

    /// A random number below `below`, which is above 0.
    fn draw(&self, below: usize) -> usize {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below.max(1) as u64) as usize
    }

    fn outliers(&self) -> MutexGuard<'_, Outliers> {
        // Every critical section is a look or one change.
        self.outliers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
