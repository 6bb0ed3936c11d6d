//! The index behind the list of payments by state, kept from level 4 on.
//!
//! An order is listed under each state that one of its attempts is in, unless the index of its status finds it as well:
//! `created` is not listed while the order is pending payment, or open (it is paid by hand), nor `sending` while it is pending
//! payment. Nearly every order is in both for its first seconds, which would cost it four changes of keys for nothing, and
//! one of them while it is placed; those that are pending or open are the work of the day, and few.
//!
//! `captured` has keys although nearly every order is paid in the end. A walk through all orders would find these at once
//! only where most are: not in a shop that sells by invoice, and not behind a flood of orders that expired. It costs one
//! key, written once, at the end of its stretch.
//!
//! Orders from before level 4 are added by [`IndexStates`](super::IndexStates), step by step; [`StatesIndexed`] says how
//! far it has come. Meanwhile every change of an order moves the entries of the states that changed, so what it finds
//! is a part of what an order has to have, and never too much.

use serde::{Deserialize, Serialize};
use storage::Fault;

use crate::ctx::Ctx;
use crate::ids::OrderId;
use crate::order::{Order, Status};
use crate::payment::State;
use crate::table;
use crate::tables::Present;

/// The level from which on there is an index.
const SINCE: u32 = 4;

table!(
    /// Orders by the states of their attempts, oldest first; see the module for which are not in it.
    PaymentsByState, PAYMENTS_BY_STATE, (u8, OrderId) => Present
);

table!(
    /// How much of the index there is. None: it was not begun.
    StatesIndexed, PAYMENT_STATES_INDEXED, () => IndexProgress
);

/// How far an index that came later than its records has come. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexProgress {
    /// Orders up to this one are in it, and those that were placed since the index is kept.
    UpTo(OrderId),
    /// All are.
    Complete,
}

storage::versioned!(IndexProgress, 1);

/// The statuses in which an order is not listed under this state, because the index of statuses finds it.
pub const fn found_by_status(state: State) -> &'static [Status] {
    match state {
        State::Created => &[Status::PendingPayment, Status::Open],
        State::Sending => &[Status::PendingPayment],
        _ => &[],
    }
}

/// A set of states: a bit for each, at the place of its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct States(u16);

impl States {
    /// Those under which an order is listed. At most five, because only one attempt of an order is not final.
    pub(crate) fn of(order: &Order) -> Self {
        let states = order.attempts.iter().map(|attempt| attempt.state);
        let listed = states.filter(|state| !found_by_status(*state).contains(&order.status));
        Self(listed.fold(0, |bits, state| bits | 1 << state.key()))
    }

    /// Their keys.
    pub(crate) fn keys(self) -> impl Iterator<Item = u8> {
        (0..u16::BITS as u8).filter(move |key| self.0 >> key & 1 == 1)
    }

    fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

/// Moves an order's entries from the states before a command to those behind it.
pub(crate) fn relist(ctx: &mut Ctx<'_, '_>, id: OrderId, before: States, after: States) -> Result<(), Fault> {
    if ctx.active_version < SINCE {
        return Ok(());
    }
    for key in before.without(after).keys() {
        ctx.tx.delete::<PaymentsByState>(&(key, id))?;
    }
    for key in after.without(before).keys() {
        ctx.tx.insert::<PaymentsByState>(&(key, id), &Present)?;
    }
    Ok(())
}
