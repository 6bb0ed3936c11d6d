//! Reading payments: work for the workers, attempts and refunds by id, what is unmatched.

use storage::{Fault, Read, Span, Table};

use crate::ids::{OrderId, PaymentId, RefundId, UnmatchedId};
use crate::order::queries::load;
use crate::order::{Order, Orders, OrdersByStatus};
use crate::page::Found;
use crate::payment::by_state::{self, IndexProgress, PaymentsByState, StatesIndexed};
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

/// Orders with an attempt in this state, the newest first: by the index of states, and for the two states in which some
/// orders are not listed by the index of these orders' statuses too. A piece looks at [`MOST_LOOKED_AT`] orders at most, so
/// for these two, and for all until the index is complete, it may be short, or empty, and have more behind it all the same.
pub fn orders_with(
    read: &impl Read,
    state: State,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Found<(OrderId, Order), OrderId>, Fault> {
    if !states_are_indexed(read)? {
        return pick(read.scan(newest_first(Span::<Orders>::all(), after)), state, limit);
    }
    let key = |id| (state.key(), id);
    let listed = newest_first(Span::<PaymentsByState>::prefix(&state.key()), after.map(key));
    let mut lists: Vec<Ids<'_>> = vec![Box::new(read.scan(listed).map(|entry| entry.map(|((_, id), _)| id)))];
    for status in by_state::found_by_status(state) {
        let key = |id| (status.key(), id);
        let of_status = newest_first(Span::<OrdersByStatus>::prefix(&status.key()), after.map(key));
        lists.push(Box::new(read.scan(of_status).map(|entry| entry.map(|((_, id), _)| id))));
    }
    pick(merge(lists).map(|id| load(read, id?)), state, limit)
}

type Ids<'a> = Box<dyn Iterator<Item = Result<OrderId, Fault>> + 'a>;

/// Whether the index of states has all orders.
pub fn states_are_indexed(read: &impl Read) -> Result<bool, Fault> {
    Ok(read.get::<StatesIndexed>(&())? == Some(IndexProgress::Complete))
}

fn newest_first<T: Table>(span: Span<T>, after: Option<T::Key>) -> Span<T> {
    let span = span.reversed();
    match after {
        Some(after) => span.resume_after(&after),
        None => span,
    }
}

/// Lists of orders as one, the newest first like all of them.
fn merge(lists: Vec<Ids<'_>>) -> impl Iterator<Item = Result<OrderId, Fault>> {
    let mut lists: Vec<_> = lists.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        // A fault goes first, whatever is beside it.
        let newest = lists.iter_mut().filter_map(|list| {
            let place = list.peek()?.as_ref().map_or((true, None), |id| (false, Some(*id)));
            Some((place, list))
        });
        newest.max_by_key(|(place, _)| *place)?.1.next()
    })
}

/// Those of some orders that have an attempt in this state.
fn pick(
    orders: impl Iterator<Item = Result<(OrderId, Order), Fault>>,
    state: State,
    limit: usize,
) -> Result<Found<(OrderId, Order), OrderId>, Fault> {
    let (mut items, mut last) = (Vec::new(), None);
    for (looked_at, record) in orders.enumerate() {
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
