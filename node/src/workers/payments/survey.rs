//! Which orders have something to do.

use shop::broker;
use shop::ids::OrderId;
use shop::order::{Order, Orders, OrdersByStatus, Status};
use shop::payment::{PaymentWork, Step, next_step};
use shop::{Event, Timestamp};
use storage::{Fault, Read, Span, View};

/// Orders looked at in one survey of each of the two queues; the oldest come first.
const MAX_SURVEYED: usize = 5_000;
/// Events looked at in one pass.
const EVENTS_PER_PASS: usize = 1_000;

/// All that waits.
pub struct Survey {
    pub orders: Vec<OrderId>,
    /// The last event of the feed: older ones say nothing that this survey did not see.
    pub up_to: u64,
}

/// Looks through both queues: orders that are pending payment, and orders beyond that with work at a provider.
pub fn all(view: &View<'_>, now: Timestamp) -> Result<Survey, Fault> {
    let up_to = broker::queries::last_seq(view)?;
    let mut survey = Survey { orders: Vec::new(), up_to };
    let pending = view.scan::<OrdersByStatus>(Span::prefix(&Status::PendingPayment.key()));
    for entry in pending.take(MAX_SURVEYED) {
        let ((_, order), _) = entry?;
        survey.consider(view, order, now)?;
    }
    for entry in view.scan::<PaymentWork>(Span::all()).take(MAX_SURVEYED) {
        survey.consider(view, entry?.0, now)?;
    }
    Ok(survey)
}

impl Survey {
    fn consider(&mut self, view: &View<'_>, id: OrderId, now: Timestamp) -> Result<(), Fault> {
        let Some(order) = view.get::<Orders>(&id)? else { return Ok(()) };
        if is_due(id, &order, now) {
            self.orders.push(id);
        }
        Ok(())
    }
}

/// Whether there is something to do for the order now.
pub fn is_due(id: OrderId, order: &Order, now: Timestamp) -> bool {
    !matches!(next_step(id, order, now), None | Some(Step::Wait { .. }))
}

/// What new events point at.
pub struct News {
    pub orders: Vec<OrderId>,
    pub up_to: u64,
    pub more: bool,
}

/// The orders that the events after `seen` are about.
pub fn since(view: &View<'_>, seen: u64) -> Result<News, Fault> {
    let events = broker::queries::feed_after(view, seen, EVENTS_PER_PASS)?;
    let mut news = News { orders: Vec::new(), up_to: seen, more: events.len() >= EVENTS_PER_PASS };
    for (seq, event) in events {
        news.up_to = seq;
        let order = match &event {
            Event::Order(event) => Some(event.order()),
            Event::Payment(event) => event.order(),
            _ => None,
        };
        news.orders.extend(order);
    }
    news.orders.sort_unstable();
    news.orders.dedup();
    Ok(news)
}
