//! Runs one reconciler: takes the leases of its queues when they fall to this node and gives them back when they do not
//! any more, wakes it by signal and by timer, and waits longer after each failure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use raft::NodeId;
use shop::Outcome;
use shop::broker::{self, Fence, Lease, TakeLease};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use super::desk::{Desk, Trouble};
use super::share::{Move, NOBODY, decide, preferred};
use crate::peers::Present;

/// Two passes are at least this far apart, so that a busy log is looked at in batches, not entry by entry.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// A node without a lease looks this often whether one is to be had.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A queue that falls to another node is handed over when it has done so for this long: nodes that come and go quickly
/// move nothing.
const HAND_OVER_AFTER: Duration = Duration::from_secs(2);
/// How long the work of a queue may take to finish before its lease is given back anyway. It is found again.
const FINISH_LIMIT: Duration = Duration::from_secs(10);
/// How long giving the leases back may take when the node stops. Without it others wait until they miss this node.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(1);

/// What a pass found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Nothing more to do until something changes or time passes.
    Idle,
    /// There is more: look again at once.
    More,
}

/// The right to act on some queues.
#[derive(Debug, Clone, Default)]
pub struct Fences(BTreeMap<String, Fence>);

impl Fences {
    /// The fence of a queue, if its work is this node's.
    pub fn of(&self, queue: &str) -> Option<&Fence> {
        self.0.get(queue)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One kind of background work. A pass is idempotent and takes no input: all it needs is in the state.
pub trait Reconciler: Send {
    /// What it is called in logs.
    fn name(&self) -> &'static str;

    /// The queues whose leases it works under.
    fn queues(&self) -> Vec<String> {
        vec![self.name().to_owned()]
    }

    /// Looks at the state and acts. Every command carries the fence of its queue; of queues without one, and there may
    /// be none at all, only what is under way is finished.
    fn pass<'a>(&'a mut self, desk: &'a Desk, fences: &'a Fences) -> BoxFuture<'a, Result<Pass, Trouble>>;

    /// The lease of a queue was taken anew: whatever is remembered of the time before is forgotten.
    fn begin(&mut self, _queue: &str) {}

    /// Whether work of the queue is under way between passes.
    fn is_busy(&self, _queue: &str) -> bool {
        false
    }
}

pub struct Supervisor {
    pub desk: Desk,
    pub node: NodeId,
    pub applied: watch::Receiver<u64>,
    pub present: watch::Receiver<Present>,
    pub stop: CancellationToken,
}

/// A lease of this node.
struct Held {
    fence: Fence,
    /// Since when the queue falls to another node.
    unwanted_since: Option<Instant>,
    /// Since when nothing new is begun.
    leaving_since: Option<Instant>,
}

type Leases = BTreeMap<String, Held>;

impl Supervisor {
    pub async fn run(mut self, mut reconciler: Box<dyn Reconciler>) {
        let span = info_span!("worker", queue = reconciler.name());
        async {
            let mut held = Leases::new();
            let mut failures: u32 = 0;
            while !self.stop.is_cancelled() {
                self.applied.mark_unchanged();
                match self.round(reconciler.as_mut(), &mut held).await {
                    Ok(pass) => {
                        failures = 0;
                        if pass == Pass::Idle {
                            self.wait(!held.is_empty()).await;
                        }
                    }
                    Err(trouble) => {
                        failures = failures.saturating_add(1);
                        let pause = self.desk.backoff(failures);
                        // A cluster without a majority is no news after the first time.
                        if failures <= 1 {
                            warn!(%trouble, pause_ms = pause.as_millis() as u64, "a pass failed");
                        }
                        self.pause(pause).await;
                    }
                }
                self.pause(SHORTEST_PAUSE).await;
            }
            self.end(reconciler.as_mut(), held).await;
        }
        .instrument(span)
        .await;
    }

    /// Brings the leases in order, then works under those that there are.
    async fn round(&self, reconciler: &mut dyn Reconciler, held: &mut Leases) -> Result<Pass, Trouble> {
        self.settle(reconciler, held).await?;
        // Cut off from the others, this node cannot know whether its leases still hold. What is fenced would be refused;
        // a mail would not.
        if held.is_empty() || !self.desk.is_in_touch() {
            return Ok(Pass::Idle);
        }
        let fences = held.iter().filter(|(_, held)| held.leaving_since.is_none());
        let fences = Fences(fences.map(|(queue, held)| (queue.clone(), held.fence.clone())).collect());
        reconciler.pass(&self.desk, &fences).await
    }

    async fn settle(&self, reconciler: &mut dyn Reconciler, held: &mut Leases) -> Result<(), Trouble> {
        let queues = reconciler.queues();
        let looked_up = queues.clone();
        let leases: Vec<Option<Lease>> = self
            .desk
            .read(move |view| looked_up.iter().map(|queue| broker::queries::lease(view, queue)).collect())
            .await?;
        let present = self.present.borrow().clone();
        for (queue, lease) in queues.into_iter().zip(leases) {
            let epoch = lease.as_ref().map_or(0, |lease| lease.epoch);
            // The state here may be a moment behind the answer that gave this node the lease.
            if held.get(&queue).is_some_and(|held| held.fence.epoch < epoch) {
                info!(queue, epoch, "lost the lease");
                held.remove(&queue);
            }
            match held.get_mut(&queue) {
                Some(lease) => {
                    lease.judge(preferred(&queue, &present.willing) == Some(self.node));
                    if lease.may_go(reconciler.is_busy(&queue)) {
                        let epoch = lease.fence.epoch;
                        held.remove(&queue);
                        info!(queue, epoch, "hands the lease over");
                        self.take(&queue, NOBODY, epoch).await?;
                    }
                }
                None => match decide(self.node, &queue, &present, lease.as_ref()) {
                    Move::Wait => {}
                    Move::GiveBack { after_epoch } => {
                        self.take(&queue, NOBODY, after_epoch).await?;
                    }
                    Move::Take { after_epoch } => {
                        if let Some(fence) = self.take(&queue, self.node, after_epoch).await? {
                            info!(queue, epoch = fence.epoch, "holds the lease");
                            reconciler.begin(&queue);
                            held.insert(queue, Held { fence, unwanted_since: None, leaving_since: None });
                        }
                    }
                },
            }
        }
        Ok(())
    }

    /// Nothing when another node was faster.
    async fn take(&self, queue: &str, holder: NodeId, after_epoch: u64) -> Result<Option<Fence>, Trouble> {
        let take = TakeLease { queue: queue.to_owned(), holder, after_epoch };
        match self.desk.submit(take, None).await {
            Ok(Outcome::Broker(broker::Outcome::Lease(epoch))) => {
                Ok(Some(Fence { queue: queue.to_owned(), epoch }))
            }
            Ok(_) => Err(Trouble::Interrupted),
            Err(Trouble::LeaseOver) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Finishes what is under way and gives the leases back, so that others need not find out that this node is gone.
    async fn end(&self, reconciler: &mut dyn Reconciler, held: Leases) {
        let began = Instant::now();
        let busy = |reconciler: &dyn Reconciler| held.keys().any(|queue| reconciler.is_busy(queue));
        while busy(reconciler) && began.elapsed() < FINISH_LIMIT {
            // What fails now is found again by whoever does the work next.
            let _ = reconciler.pass(&self.desk, &Fences::default()).await;
            tokio::time::sleep(SHORTEST_PAUSE).await;
        }
        let back = held.iter().map(|(queue, held)| self.take(queue, NOBODY, held.fence.epoch));
        // A node that stops alone has nobody to give them to, and a cluster without a majority no way.
        let _ = tokio::time::timeout(GIVE_BACK_LIMIT, join_all(back)).await;
    }

    async fn wait(&mut self, works: bool) {
        if !works {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Ok(()) = self.present.changed() => {}
            }
            return;
        }
        let interval = Duration::from_millis(self.desk.settings.interval_ms);
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(interval) => {}
            () = self.desk.bell() => {}
            Ok(()) = self.present.changed() => {}
            Ok(()) = self.applied.changed() => {}
        }
    }

    async fn pause(&self, length: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(length) => {}
        }
    }
}

impl Held {
    /// Notes whether the queue falls to this node.
    fn judge(&mut self, is_wanted: bool) {
        if is_wanted {
            self.unwanted_since = None;
        } else if self.unwanted_since.get_or_insert_with(Instant::now).elapsed() >= HAND_OVER_AFTER {
            self.leaving_since.get_or_insert_with(Instant::now);
        }
    }

    /// Whether the lease can be given back now. Once nothing new is begun there is no way back but to take it again.
    fn may_go(&self, is_busy: bool) -> bool {
        self.leaving_since.is_some_and(|since| !is_busy || since.elapsed() >= FINISH_LIMIT)
    }
}

#[cfg(test)]
mod tests;
