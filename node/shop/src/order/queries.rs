//! Reading orders: bounded lists, and the history of one.

use storage::{Fault, Read, Span};

use crate::actor::Actor;
use crate::broker::Events;
use crate::broker::queries::Recorded;
use crate::event::{Batch, Event};
use crate::ids::{ClientId, CustomerId, OrderId, RequestId};
use crate::inventory;
use crate::notification::{Notification, Notifications};
use crate::order::{Order, Orders, OrdersByCustomer, OrdersByStatus, Status};
use crate::page::Found;
use crate::sms::{Message, Messages};
use crate::time::Timestamp;

/// Which orders, and in which order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub status: Option<Status>,
    /// Placed at this time or later.
    pub from: Option<Timestamp>,
    /// Placed before this time.
    pub until: Option<Timestamp>,
    pub newest_first: bool,
}

/// One order.
pub fn get(read: &impl Read, id: OrderId) -> Result<Option<Order>, Fault> {
    read.get::<Orders>(&id)
}

/// Orders of a status, or all: by an index or the table itself, whose keys are in the order of placing. `after` is the
/// last order of the piece before.
pub fn list(
    read: &impl Read,
    filter: Filter,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Found<(OrderId, Order), OrderId>, Fault> {
    let least = filter.from.map_or(OrderId([0; 16]), OrderId::least_at);
    let end = filter.until.map_or(OrderId([0xff; 16]), OrderId::least_at);
    let Some(status) = filter.status else {
        let mut span = Span::<Orders>::from(&least).until(&end);
        if filter.newest_first {
            span = span.reversed();
        }
        if let Some(after) = after {
            span = span.resume_after(&after);
        }
        return Found::of(read.scan(span), limit);
    };
    let key = |id| (status.key(), id);
    let mut span = Span::<OrdersByStatus>::from(&key(least)).until(&key(end));
    if filter.newest_first {
        span = span.reversed();
    }
    if let Some(after) = after {
        span = span.resume_after(&key(after));
    }
    let found = Found::of(read.scan(span).map(|entry| entry.map(|((_, id), _)| (id, ()))), limit)?;
    found.try_map(|(id, ())| load(read, id))
}

/// The key of a list by owner.
pub type OwnedKey = (Option<ClientId>, Option<CustomerId>, OrderId);

/// Orders that a client has placed, oldest first for each customer; with a customer, those for that one.
pub fn list_of_owner(
    read: &impl Read,
    owner: Option<ClientId>,
    customer: Option<CustomerId>,
    newest_first: bool,
    after: Option<OwnedKey>,
    limit: usize,
) -> Result<Found<(OrderId, Order), OwnedKey>, Fault> {
    let mut span = match customer {
        Some(_) => Span::<OrdersByCustomer>::prefix(&(owner, customer)),
        None => Span::prefix(&owner),
    };
    if newest_first {
        span = span.reversed();
    }
    if let Some(after) = after {
        span = span.resume_after(&after);
    }
    let found = Found::of(read.scan(span), limit)?;
    found.try_map(|((_, _, id), _)| load(read, id))
}

/// A piece of the queue of orders that are pending payment, oldest first.
pub fn pending_payment(
    read: &impl Read,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Found<(OrderId, Order), OrderId>, Fault> {
    list(read, Filter { status: Some(Status::PendingPayment), ..Filter::default() }, after, limit)
}

/// A step of an order's history: what one command did to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The index of the log entry that did it.
    pub index: u64,
    pub at: Timestamp,
    pub actor: Actor,
    pub request: RequestId,
    /// Its events that are about the order.
    pub events: Vec<Recorded>,
    /// The mails that follow from them, under the events' sequence numbers, as they are now.
    pub mails: Vec<(u64, Notification)>,
    /// The text messages that follow from them.
    pub texts: Vec<(u64, Message)>,
}

/// The order's history, oldest first. Steps that the feed has trimmed are missing.
pub fn timeline(read: &impl Read, id: OrderId, order: &Order) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::with_capacity(order.history.len());
    for first in &order.history {
        if let Some(batch) = read.get::<Events>(first)? {
            let Batch { index, at, request, actor, .. } = batch;
            let mut step = Step { index, at, actor, request, events: vec![], mails: vec![], texts: vec![] };
            for (seq, event) in (*first..).zip(&batch.events).filter(|(_, event)| is_about(event, id)) {
                step.events.push(Recorded::of(&batch, seq, event.clone()));
                step.mails.extend(read.get::<Notifications>(&seq)?.map(|mail| (seq, mail)));
                step.texts.extend(read.get::<Messages>(&seq)?.map(|text| (seq, text)));
            }
            steps.push(step);
        }
    }
    Ok(steps)
}

fn is_about(event: &Event, id: OrderId) -> bool {
    match event {
        Event::Order(event) => event.order() == id,
        Event::Payment(event) => event.order() == Some(id),
        Event::Inventory(inventory::Event::Moved(movement)) => movement.order_id == Some(id),
        _ => false,
    }
}

/// The order that an index names.
pub(crate) fn load(read: &impl Read, id: OrderId) -> Result<(OrderId, Order), Fault> {
    let order = read.get::<Orders>(&id)?;
    order
        .map(|order| (id, order))
        .ok_or_else(|| Fault::corrupt("an order's index", format!("{id} is not there")))
}
