//! Payments: asks the domain what an order needs next, does it at the provider, and reports what was seen.
//!
//! The decision is `shop::payment::next_step`, a pure function of the order and the time. Before a call the domain
//! commits that it will be made; after it, what came back. A crash anywhere means: the same step comes again, with the
//! same idempotency key. For orders that came with a backup the provider is asked before anything is sent.

mod partition;
mod perform;
pub(super) mod restored;
mod survey;
#[cfg(test)]
mod tests;
pub mod translate;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use shop::ids::OrderId;
use tokio::task::{Id, JoinSet};
use tracing::warn;

use super::desk::{Desk, Trouble};
use super::supervisor::{Fences, Pass, Reconciler};
use crate::effects::provider::PaymentProvider;

use partition::queue_of;
pub(super) use survey::is_due;

/// Orders that wait for a free hand. The survey finds again what did not fit.
const MAX_WAITING: usize = 1_000;
/// How long an order is left alone whose work panicked: it would panic again.
const REST_AFTER_PANIC: Duration = Duration::from_secs(3_600);

/// The providers, by the name that orders carry.
pub type Providers = Arc<BTreeMap<String, Arc<dyn PaymentProvider>>>;

/// The reconciler of the queues `payments-0` and on, each of which has a part of the orders.
pub struct Payments {
    providers: Providers,
    /// The last event looked at.
    seen: u64,
    surveyed: Option<Instant>,
    waiting: VecDeque<OrderId>,
    /// Waiting or in hand: an order is never worked on twice at a time.
    taken: BTreeSet<OrderId>,
    hands: JoinSet<(OrderId, Result<(), Trouble>)>,
    /// What each hand works on.
    working: HashMap<Id, OrderId>,
    /// Orders that could not be worked on, and until when they are left alone.
    resting: BTreeMap<OrderId, (u32, Instant)>,
}

impl Payments {
    pub fn new(providers: Vec<Arc<dyn PaymentProvider>>) -> Self {
        let providers =
            providers.into_iter().map(|provider| (provider.name().to_owned(), provider)).collect();
        Self {
            providers: Arc::new(providers),
            seen: 0,
            surveyed: None,
            waiting: VecDeque::new(),
            taken: BTreeSet::new(),
            hands: JoinSet::new(),
            working: HashMap::new(),
            resting: BTreeMap::new(),
        }
    }

    /// Collects orders with something to do: those that new events name, and at each interval all of them.
    async fn look(&mut self, desk: &Desk, fences: &Fences) -> Result<bool, Trouble> {
        let interval = Duration::from_millis(desk.settings.interval_ms);
        if self.surveyed.is_none_or(|at| at.elapsed() >= interval) {
            let now = desk.now();
            let survey = desk.read(move |view| survey::all(view, now)).await?;
            self.surveyed = Some(Instant::now());
            self.seen = self.seen.max(survey.up_to);
            self.resting.retain(|_, (_, until)| *until > Instant::now() - Duration::from_secs(3_600));
            self.take(survey.orders, fences);
            return Ok(false);
        }
        let seen = self.seen;
        let news = desk.read(move |view| survey::since(view, seen)).await?;
        self.seen = news.up_to;
        self.take(news.orders, fences);
        Ok(news.more)
    }

    /// Those of the queues that are this node's.
    fn take(&mut self, orders: Vec<OrderId>, fences: &Fences) {
        let now = Instant::now();
        for order in orders {
            let rests = self.resting.get(&order).is_some_and(|(_, until)| *until > now);
            let is_ours = fences.of(&queue_of(order)).is_some();
            if is_ours && !rests && self.waiting.len() < MAX_WAITING && self.taken.insert(order) {
                self.waiting.push_back(order);
            }
        }
    }

    /// Puts waiting orders into free hands; drops those whose queue is not this node's any more.
    fn begin_work(&mut self, desk: &Desk, fences: &Fences) {
        while self.hands.len() < desk.parallel()
            && let Some(order) = self.waiting.pop_front()
        {
            let Some(fence) = fences.of(&queue_of(order)).cloned() else {
                self.taken.remove(&order);
                continue;
            };
            let (desk, providers) = (desk.clone(), self.providers.clone());
            let hand = self.hands.spawn(async move {
                let done = perform::order(&desk, &fence, &providers, order).await;
                desk.ring();
                (order, done)
            });
            self.working.insert(hand.id(), order);
        }
    }

    /// Takes note of hands that are free again. An error when a lease is over or storage failed.
    fn end_work(&mut self, desk: &Desk) -> Result<(), Trouble> {
        let mut grave = None;
        while let Some(done) = self.hands.try_join_next_with_id() {
            let (order, result) = match done {
                Ok((hand, done)) => {
                    self.working.remove(&hand);
                    done
                }
                Err(error) => {
                    if let Some(order) = self.working.remove(&error.id()) {
                        self.taken.remove(&order);
                        self.resting.insert(order, (1, Instant::now() + REST_AFTER_PANIC));
                    }
                    continue;
                }
            };
            self.taken.remove(&order);
            match result {
                Ok(()) => {
                    self.resting.remove(&order);
                }
                Err(trouble @ (Trouble::LeaseOver | Trouble::Fault(_))) => grave = Some(trouble),
                Err(trouble) => {
                    let failures = self.resting.get(&order).map_or(1, |(failures, _)| failures + 1);
                    warn!(%order, %trouble, failures, "could not work on an order's payments");
                    self.resting.insert(order, (failures, Instant::now() + desk.backoff(failures)));
                }
            }
        }
        grave.map_or(Ok(()), Err)
    }
}

impl Reconciler for Payments {
    fn name(&self) -> &'static str {
        "payments"
    }

    fn queues(&self) -> Vec<String> {
        partition::queues()
    }

    fn begin(&mut self, _queue: &str) {
        // What waits there is found by looking at everything once.
        self.surveyed = None;
    }

    fn is_busy(&self, queue: &str) -> bool {
        self.working.values().any(|order| queue_of(*order) == queue)
    }

    fn pass<'a>(&'a mut self, desk: &'a Desk, fences: &'a Fences) -> BoxFuture<'a, Result<Pass, Trouble>> {
        Box::pin(async move {
            self.end_work(desk)?;
            if fences.is_empty() {
                return Ok(Pass::Idle);
            }
            let more = self.look(desk, fences).await?;
            self.begin_work(desk, fences);
            Ok(if more || (!self.waiting.is_empty() && self.hands.len() < desk.parallel()) {
                Pass::More
            } else {
                Pass::Idle
            })
        })
    }
}
