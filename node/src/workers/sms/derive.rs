//! Which text messages follow from which events.

use shop::broker;
use shop::event::Event;
use shop::order::Orders;
use shop::sms::{Item, Kind, queries};
use shop::{Timestamp, order};
use storage::{Fault, Read, View};

use super::compose;
use crate::workers::payments::restored;

/// What happened longer ago is no news to anybody: no text follows from it.
const NEWS_MILLIS: u64 = 24 * 60 * 60 * 1_000;

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

/// Looks at the events after the committed cursor, or after `seen` if that is further. Events that came with a backup
/// were the business of the cluster before this one, which may have sent texts about them after the backup.
pub fn after(view: &View<'_>, seen: u64, now: Timestamp, limit: usize) -> Result<Found, Fault> {
    let committed = queries::cursor(view)?.unwrap_or(0);
    let made = restored::made_at(view)?;
    let start = committed.max(seen);
    let mut found = Found { items: Vec::new(), up_to: start, committed, lag: 0, more: false };
    for (count, entry) in broker::queries::batches_after(view, start)?.enumerate() {
        if count == limit {
            found.more = true;
            break;
        }
        let (first, batch) = entry?;
        let is_news = now.since(batch.at) < NEWS_MILLIS && made.is_none_or(|made| batch.at > made);
        for (seq, event) in (first..).zip(&batch.events).filter(|(seq, _)| *seq > start) {
            found.up_to = seq;
            if is_news && let Some(item) = message(view, seq, event)? {
                found.items.push(item);
            }
        }
    }
    found.lag = broker::queries::last_seq(view)?.saturating_sub(found.up_to);
    Ok(found)
}

/// Nothing for an order without a number that a text could go to.
fn message(view: &View<'_>, seq: u64, event: &Event) -> Result<Option<Item>, Fault> {
    let Event::Order(order::Event::Shipped(shipped)) = event else { return Ok(None) };
    let order = view.get::<Orders>(&shipped.order_id)?;
    let kind = Kind::Shipped(shipped.fulfilment_id.ordinal());
    Ok(order.as_ref().and_then(compose::number).map(|_| Item { seq, kind, order: shipped.order_id }))
}
