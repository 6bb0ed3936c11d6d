//! Reading payments: work for the workers, attempts and refunds by id, what is unmatched.

use storage::{Fault, Read, Span};

use crate::ids::{OrderId, PaymentId, RefundId, UnmatchedId};
use crate::order::{Order, Orders};
use crate::page::Found;
use crate::payment::{Attempt, PaymentWork, Refund, State, Unmatched, UnmatchedObjects};

/// The order of a payment, if it has such an attempt.
pub fn get(read: &impl Read, id: PaymentId) -> Result<Option<Order>, Fault> {
    Ok(read.get::<Orders>(&id.order())?.filter(|order| attempt(order, id).is_some()))
}

/// An order's attempt by its id.
pub fn attempt(order: &Order, id: PaymentId) -> Option<&Attempt> {
    order.attempts.get(usize::from(id.ordinal()).checked_sub(1)?)
}

/// An order's refund by its id.
pub fn refund(order: &Order, id: RefundId) -> Option<&Refund> {
    order.refunds.get(usize::from(id.ordinal()).checked_sub(1)?)
}

/// The most orders that one piece of a list by state looks at.
pub const MOST_LOOKED_AT: usize = 1_000;

/// Orders with an attempt in this state, the newest first. There is no index of states: a piece looks at
/// [`MOST_LOOKED_AT`] orders at most, so it may be short, or empty, and have more behind it all the same.
pub fn orders_with(
    read: &impl Read,
    state: State,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Found<(OrderId, Order), OrderId>, Fault> {
    let mut span = Span::<Orders>::all().reversed();
    if let Some(after) = after {
        span = span.resume_after(&after);
    }
    let (mut items, mut last) = (Vec::new(), None);
    for (looked_at, record) in read.scan(span).enumerate() {
        let (id, order) = record?;
        if looked_at == MOST_LOOKED_AT || items.len() == limit {
            return Ok(Found { items, next: last });
        }
        last = Some(id);
        if order.attempts.iter().any(|attempt| attempt.state == state) {
            items.push((id, order));
        }
    }
    Ok(Found { items, next: None })
}

/// A piece of the queue of orders that have work at a provider, beyond those that are pending payment (see
/// [`crate::order::queries::pending_payment`]).
pub fn work(
    read: &impl Read,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Found<OrderId, OrderId>, Fault> {
    let mut span = Span::<PaymentWork>::all();
    if let Some(after) = after {
        span = span.resume_after(&after);
    }
    Ok(Found::of(read.scan(span), limit)?.map(|(id, _)| id))
}

/// What providers have that no order claims.
pub fn unmatched(
    read: &impl Read,
    after: Option<UnmatchedId>,
    limit: usize,
) -> Result<Found<(UnmatchedId, Unmatched), UnmatchedId>, Fault> {
    let mut span = Span::<UnmatchedObjects>::all();
    if let Some(after) = after {
        span = span.resume_after(&after);
    }
    Found::of(read.scan(span), limit)
}
