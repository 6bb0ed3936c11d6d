//! The one way in which stock changes: a movement, recorded as an event that leads to the row's previous one.

use serde::{Deserialize, Serialize};
use storage::{Read, Txn};

use crate::catalog::Sku;
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::{LocationId, OrderId};
use crate::inventory::{self, Alert, Levels, Stock, StockRow};
use crate::rejection::{Halt, Rejection};

/// Why stock moved. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Reason {
    /// Counted, and set to what was counted.
    Set,
    /// More or fewer, for the reason in the note.
    Adjusted,
    /// Carried to another location, or from one.
    Transferred,
    /// Reserved for an order.
    Held,
    /// The reservation became a promise.
    Committed,
    /// An order let go of it.
    Released,
    /// The reservation ran out.
    Expired,
    /// Left the house.
    Fulfilled,
}

/// A change of one stock row. `previous` is the sequence number of the row's movement before it: 0 if it is the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Movement {
    pub sku: Sku,
    pub location_id: LocationId,
    pub change: Levels,
    /// The levels after it.
    pub after: Levels,
    pub reason: Reason,
    /// The order it was for.
    pub order_id: Option<OrderId>,
    /// What staff said about it.
    pub note: Option<String>,
    pub previous: u64,
}

/// Why a movement is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub reason: Reason,
    pub order: Option<OrderId>,
    pub note: Option<String>,
}

impl Cause {
    pub(crate) fn of_order(reason: Reason, order: OrderId) -> Self {
        Self { reason, order: Some(order), note: None }
    }
}

/// Moves stock of a row and tells it, together with what that means for buyers.
///
/// Refuses with `stock_negative` what would leave a level outside `0..=MAX_UNITS`. Whether orders may claim more than
/// is there is the caller's to check.
pub(crate) fn move_stock(
    ctx: &mut Ctx<'_, '_>,
    place: &(Sku, LocationId),
    mut row: StockRow,
    change: Levels,
    cause: Cause,
) -> Result<StockRow, Halt> {
    let Some(after) = row.levels.plus(change) else {
        return Err(out_of_bounds(place, row.levels, change).into());
    };
    let available_before = row.available();
    let previous = row.last_movement;
    row.levels = after;
    row.last_movement = ctx.emit(Event::Inventory(inventory::Event::Moved(Movement {
        sku: place.0.clone(),
        location_id: place.1,
        change,
        after,
        reason: cause.reason,
        order_id: cause.order,
        note: cause.note,
        previous,
    })));
    tell_buyers(ctx, place, available_before, &row);
    ctx.tx.put::<Stock>(place, &row)?;
    Ok(row)
}

fn out_of_bounds(place: &(Sku, LocationId), levels: Levels, change: Levels) -> Rejection {
    let (sku, location) = place;
    let detail = format!(
        "{sku} at {location} has {} on hand, {} held, {} committed; changing them by {}, {} and {} leaves the bounds",
        levels.on_hand, levels.held, levels.committed, change.on_hand, change.held, change.committed
    );
    Rejection::new(Code::StockNegative, detail)
}

/// `stock.out`, `stock.back` and `stock.low`, at the moment at which they begin to be true.
pub(crate) fn tell_buyers(
    ctx: &mut Ctx<'_, '_>,
    place: &(Sku, LocationId),
    available_before: i64,
    row: &StockRow,
) {
    let available = row.available();
    let alert = Alert { sku: place.0.clone(), location_id: place.1, available, on_hand: row.levels.on_hand };
    if available_before > 0 && available <= 0 {
        ctx.emit(Event::Inventory(inventory::Event::Out(alert)));
    } else if available_before <= 0 && available > 0 {
        ctx.emit(Event::Inventory(inventory::Event::Back(alert)));
    } else if available_before > row.low_at && available <= row.low_at {
        ctx.emit(Event::Inventory(inventory::Event::Low(alert)));
    }
}

/// Keeps the ledger whole when the feed is trimmed: what a movement changed goes into its row's opening levels. Call it
/// for each movement that is deleted, oldest first, in the command that deletes it.
pub fn fold(tx: &mut Txn<'_>, movement: &Movement) -> Result<(), storage::Fault> {
    let place = (movement.sku.clone(), movement.location_id);
    let Some(mut row) = tx.get::<Stock>(&place)? else {
        return Ok(());
    };
    row.opening = movement.after;
    tx.put::<Stock>(&place, &row)
}
