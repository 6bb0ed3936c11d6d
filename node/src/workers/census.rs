//! What waits and what is held, counted in this node's state: the same on every node, whoever does the work.

use std::collections::BTreeMap;

use shop::Timestamp;
use shop::broker::{Offset, queries};
use shop::ids::OrderId;
use shop::order::{Orders, OrdersByStatus, Status};
use shop::payment::{PaymentWork, PaymentsByState, State, found_by_status, queries::states_are_indexed};
use storage::{Fault, Read, Span, View};

use super::payments::is_due;

/// Up to where each list is counted: a figure that says so many means so many at least.
const MOST_COUNTED: usize = 5_000;
/// Records that are read in one step: a view holds back the applier.
const RECORDS_PER_STEP: usize = 250;
const MOST_GROUPS: usize = 200;
const GROUPS_PER_STEP: usize = 10;

/// The figures.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Events that each consumer group of the operator's has not finished, in the partition that is furthest behind.
    pub group_lag: BTreeMap<String, u64>,
    /// Attempts that are not final. Empty until the index of states has all orders.
    pub payments: BTreeMap<&'static str, u64>,
    /// Orders for which there is something to do at a provider now.
    pub payments_due: u64,
    pub active_holds: u64,
}

/// What is counted next.
#[derive(Debug, Clone)]
pub enum Part {
    /// The index of states.
    Listed,
    /// Orders of these statuses are not in that index with all of their attempts.
    Pending(Place),
    Open(Place),
    /// The queue of work at providers.
    Work(Place),
    /// Behind the group of this name, and so many.
    Groups(Option<String>, usize),
}

/// Behind this order, and so many.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(Option<OrderId>, usize);

impl Place {
    /// The next one if there is more behind it.
    fn next(self, last: Option<OrderId>, found: usize) -> Option<Place> {
        let counted = self.1 + found;
        (found == RECORDS_PER_STEP && counted < MOST_COUNTED).then_some(Place(last, counted))
    }
}

impl Part {
    pub const FIRST: Part = Part::Listed;
}

impl Census {
    /// Counts a part, bounded; what is next, until that was all.
    ///
    /// # Errors
    /// A fault of storage.
    pub fn step(&mut self, view: &View<'_>, now: Timestamp, part: Part) -> Result<Option<Part>, Fault> {
        Ok(match part {
            Part::Listed => {
                self.count_listed(view)?;
                Some(Part::Pending(Place::default()))
            }
            Part::Pending(place) => {
                let next = self.count_orders(view, now, Status::PendingPayment, place)?;
                Some(next.map_or(Part::Open(Place::default()), Part::Pending))
            }
            Part::Open(place) => {
                let next = self.count_orders(view, now, Status::Open, place)?;
                Some(next.map_or(Part::Work(Place::default()), Part::Open))
            }
            Part::Work(place) => {
                let next = self.count_work(view, now, place)?;
                Some(next.map_or(Part::Groups(None, 0), Part::Work))
            }
            Part::Groups(after, counted) => {
                let found = queries::groups(view, after, GROUPS_PER_STEP)?;
                for (name, _) in &found.items {
                    self.group_lag.insert(name.clone(), lag(view, queries::offsets(view, name)?)?);
                }
                let counted = counted + found.items.len();
                found.next.filter(|_| counted < MOST_GROUPS).map(|last| Part::Groups(Some(last), counted))
            }
        })
    }

    fn count_listed(&mut self, view: &View<'_>) -> Result<(), Fault> {
        if !states_are_indexed(view)? {
            return Ok(());
        }
        for state in State::OPEN {
            let listed = view.scan::<PaymentsByState>(Span::prefix(&state.key())).take(MOST_COUNTED);
            let count = listed.map(|entry| entry.map(drop)).collect::<Result<Vec<()>, Fault>>()?.len();
            self.payments.insert(state.as_str(), count as u64);
        }
        Ok(())
    }

    fn count_orders(
        &mut self,
        view: &View<'_>,
        now: Timestamp,
        status: Status,
        place: Place,
    ) -> Result<Option<Place>, Fault> {
        let mut span = Span::<OrdersByStatus>::prefix(&status.key());
        if let Some(after) = place.0 {
            span = span.resume_after(&(status.key(), after));
        }
        let (mut last, mut found) = (None, 0);
        for entry in view.scan(span).take(RECORDS_PER_STEP) {
            let ((_, id), _) = entry?;
            (last, found) = (Some(id), found + 1);
            let Some(order) = view.get::<Orders>(&id)? else { continue };
            if let Some((_, attempt)) = order.open_attempt()
                && found_by_status(attempt.state).contains(&status)
                && let Some(count) = self.payments.get_mut(attempt.state.as_str())
            {
                *count += 1;
            }
            if status == Status::PendingPayment {
                self.active_holds += 1;
                self.payments_due += u64::from(is_due(id, &order, now));
            }
        }
        Ok(place.next(last, found))
    }

    fn count_work(&mut self, view: &View<'_>, now: Timestamp, place: Place) -> Result<Option<Place>, Fault> {
        let mut span = Span::<PaymentWork>::all();
        if let Some(after) = place.0 {
            span = span.resume_after(&after);
        }
        let (mut last, mut found) = (None, 0);
        for entry in view.scan(span).take(RECORDS_PER_STEP) {
            let (id, _) = entry?;
            (last, found) = (Some(id), found + 1);
            let due = view.get::<Orders>(&id)?.is_some_and(|order| is_due(id, &order, now));
            self.payments_due += u64::from(due);
        }
        Ok(place.next(last, found))
    }
}

/// Of the partition that is furthest behind; one of a topic that the group reads and has never finished anything of is at
/// the beginning.
fn lag(view: &View<'_>, offsets: Vec<((String, u16), Offset)>) -> Result<u64, Fault> {
    let mut read: BTreeMap<String, (u16, u64)> = BTreeMap::new();
    for ((topic, _), offset) in offsets {
        let (partitions, least) = read.entry(topic).or_insert((0, u64::MAX));
        (*partitions, *least) = (*partitions + 1, (*least).min(offset.seq));
    }
    let last = queries::last_seq(view)?;
    let mut lag = 0;
    for (topic, (partitions, least)) in read {
        let all = queries::topic(view, &topic)?.map_or(0, |topic| topic.partitions);
        lag = lag.max(if partitions < all { last } else { last.saturating_sub(least) });
    }
    Ok(lag)
}
