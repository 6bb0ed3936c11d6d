//! Which notifications follow from which events.

use shop::broker;
use shop::event::Event;
use shop::notification::{Item, Kind, queries};
use shop::{Timestamp, order, payment};
use storage::{Fault, View};

/// What happened longer ago is no news to anybody: no mail follows from it. It matters where mail was off for a while.
const NEWS_MILLIS: u64 = 3 * 24 * 60 * 60 * 1_000;

/// What follows from some events.
pub struct Found {
    pub items: Vec<Item>,
    /// The last event looked at.
    pub up_to: u64,
    /// The last event that the committed cursor has passed.
    pub committed: u64,
    /// Events behind `up_to` that were not looked at yet.
    pub lag: u64,
    pub more: bool,
}

/// Looks at the events after the committed cursor, or after `seen` if that is further.
pub fn after(view: &View<'_>, seen: u64, now: Timestamp, limit: usize) -> Result<Found, Fault> {
    let committed = queries::cursor(view)?;
    let start = committed.max(seen);
    let mut found = Found { items: Vec::new(), up_to: start, committed, lag: 0, more: false };
    for (count, entry) in broker::queries::batches_after(view, start)?.enumerate() {
        if count == limit {
            found.more = true;
            break;
        }
        let (first, batch) = entry?;
        let is_news = now.since(batch.at) < NEWS_MILLIS;
        for (seq, event) in (first..).zip(&batch.events).filter(|(seq, _)| *seq > start) {
            found.up_to = seq;
            if is_news && let Some((kind, order)) = notification(event) {
                found.items.push(Item { seq, kind, order });
            }
        }
    }
    found.lag = broker::queries::last_seq(view)?.saturating_sub(found.up_to);
    Ok(found)
}

fn notification(event: &Event) -> Option<(Kind, shop::ids::OrderId)> {
    match event {
        Event::Order(order::Event::Confirmed(told)) => Some((Kind::Confirmed, told.order_id)),
        Event::Order(order::Event::Shipped(shipped)) => {
            Some((Kind::Shipped(shipped.fulfilment_id.ordinal()), shipped.order_id))
        }
        Event::Payment(payment::Event::RefundSucceeded { order_id, refund_id, .. }) => {
            Some((Kind::Refunded(refund_id.ordinal()), *order_id))
        }
        _ => None,
    }
}
