//! What waits and what is held, counted in this node's state when somebody asks: the same on every node, whoever does
//! the work.

use std::collections::BTreeMap;

use shop::Timestamp;
use shop::broker::{Groups, MAX_GROUPS, queries};
use shop::order::{Orders, OrdersByStatus, Status};
use shop::payment::{PaymentWork, PaymentsByState, State, found_by_status};
use storage::{Fault, Read, Span, Table, View};

use super::payments::is_due;

/// Up to where each list is counted: a figure that says so many means so many at least.
const MOST_COUNTED: usize = 5_000;

/// The figures at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Events that each consumer group of the operator's has not finished, in the partition that is furthest behind.
    pub group_lag: BTreeMap<String, u64>,
    /// Attempts that are not final.
    pub payments: BTreeMap<&'static str, u64>,
    /// Orders for which there is something to do at a provider now.
    pub payments_due: u64,
    pub active_holds: u64,
}

impl Census {
    /// Counts.
    ///
    /// # Errors
    /// A fault of storage.
    pub fn take(view: &View<'_>, now: Timestamp) -> Result<Census, Fault> {
        let mut census = Census { group_lag: group_lag(view)?, ..Census::default() };
        for state in State::OPEN {
            let listed = count(view, Span::<PaymentsByState>::prefix(&state.key()))?;
            census.payments.insert(state.as_str(), listed);
        }
        // Orders of these statuses are not in the index of states with all of their attempts.
        for status in [Status::PendingPayment, Status::Open] {
            for entry in view.scan::<OrdersByStatus>(Span::prefix(&status.key())).take(MOST_COUNTED) {
                let ((_, id), _) = entry?;
                let Some(order) = view.get::<Orders>(&id)? else { continue };
                if let Some((_, attempt)) = order.open_attempt()
                    && found_by_status(attempt.state).contains(&status)
                {
                    *census.payments.entry(attempt.state.as_str()).or_default() += 1;
                }
                if status == Status::PendingPayment {
                    census.active_holds += 1;
                    census.payments_due += u64::from(is_due(id, &order, now));
                }
            }
        }
        for entry in view.scan::<PaymentWork>(Span::all()).take(MOST_COUNTED) {
            let (id, _) = entry?;
            let due = view.get::<Orders>(&id)?.is_some_and(|order| is_due(id, &order, now));
            census.payments_due += u64::from(due);
        }
        Ok(census)
    }
}

fn group_lag(view: &View<'_>) -> Result<BTreeMap<String, u64>, Fault> {
    let last = queries::last_seq(view)?;
    let groups = view.scan::<Groups>(Span::all()).take(MAX_GROUPS);
    groups
        .map(|entry| {
            let (name, _) = entry?;
            let finished = queries::offsets(view, &name)?.into_iter().map(|(_, offset)| offset.seq).min();
            Ok((name, last.saturating_sub(finished.unwrap_or(0))))
        })
        .collect()
}

fn count<T: Table>(view: &View<'_>, span: Span<T>) -> Result<u64, Fault> {
    view.scan::<T>(span).take(MOST_COUNTED).try_fold(0, |count, entry| entry.map(|_| count + 1))
}
