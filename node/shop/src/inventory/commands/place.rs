//! Finding the row that a command means, and what all of them check.

use storage::Read;

use crate::catalog::{Backorder, Sku, Skus};
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::ids::LocationId;
use crate::inventory::{Levels, Locations, StockRow};
use crate::rejection::{Halt, Rejection};

/// A row's key, if there are such a SKU and such a location (or a default one).
pub(super) fn find(
    ctx: &Ctx<'_, '_>,
    sku: &Sku,
    location: Option<LocationId>,
    pointer: &str,
) -> Result<(Sku, LocationId), Halt> {
    if !ctx.tx.contains::<Skus>(sku)? {
        return Err(Rejection::at(Code::NotFound, "/sku", format!("there is no SKU {sku}")).into());
    }
    let book = ctx.tx.get::<Locations>(&())?.unwrap_or_default();
    let found = match location {
        Some(id) => book.get(id).map(|location| location.id),
        None => book.default_location(),
    };
    let location = found.ok_or_else(|| {
        let detail = match location {
            Some(id) => format!("there is no location {id}"),
            None => "there is no location yet: create one first".to_owned(),
        };
        Rejection::at(Code::NotFound, pointer, detail)
    })?;
    Ok((sku.clone(), location))
}

/// Refuses a change by staff that would leave fewer units than orders have claimed, unless the SKU takes backorders or
/// the change makes it better.
pub(super) fn keep_promises(
    ctx: &Ctx<'_, '_>,
    sku: &Sku,
    row: &StockRow,
    change: Levels,
    pointer: &str,
) -> Result<(), Halt> {
    if change.on_hand >= 0 || row.levels.free().saturating_add(change.on_hand) >= 0 {
        return Ok(());
    }
    let backorder = ctx.tx.get::<Skus>(sku)?.map(|record| record.backorder).unwrap_or_default();
    if backorder == Backorder::Allow {
        return Ok(());
    }
    let claimed = row.levels.held + row.levels.committed;
    let detail = format!(
        "{sku} has {} on hand, and orders claim {claimed} of them: {} can be taken away",
        row.levels.on_hand,
        row.levels.free().max(0)
    );
    Err(Rejection::at(Code::StockNegative, pointer, detail).into())
}
