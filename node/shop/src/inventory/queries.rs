//! Reading stock: rows, what is available, and the ledger of a row.

use storage::{Fault, Read, Span};

use crate::broker::queries::{Recorded, event_at};
use crate::catalog::{Backorder, Sku, Skus};
use crate::event::Event;
use crate::ids::LocationId;
use crate::inventory::{self, LocationBook, Locations, Movement, Stock, StockLevel};
use crate::page::{Found, MAX_LIMIT};

/// All locations; the first is the default.
pub fn locations(read: &impl Read) -> Result<LocationBook, Fault> {
    Ok(read.get::<Locations>(&())?.unwrap_or_default())
}

/// The rows of one SKU: at most one per location.
pub fn stock_of(read: &impl Read, sku: &Sku) -> Result<Vec<StockLevel>, Fault> {
    let rows = read.scan(Span::<Stock>::prefix(sku));
    rows.map(|row| row.map(|((sku, location), row)| StockLevel { sku, location, row })).collect()
}

/// What a buyer can be told of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// Units over all locations; negative with backorders.
    pub units: i64,
    /// Whether one can be ordered now.
    pub orderable: bool,
}

/// What can be ordered of a SKU, over all locations; `None` if it is not for sale.
pub fn availability(read: &impl Read, sku: &Sku) -> Result<Option<Availability>, Fault> {
    let Some(record) = read.get::<Skus>(sku)?.filter(|record| record.sellable) else {
        return Ok(None);
    };
    let rows = stock_of(read, sku)?;
    let units = rows.iter().map(|level| level.row.available()).sum();
    let in_stock = rows.iter().any(|level| level.row.available() > 0);
    Ok(Some(Availability { units, orderable: in_stock || record.backorder == Backorder::Allow }))
}

/// All rows, by SKU and location.
pub fn list(
    read: &impl Read,
    after: Option<(Sku, LocationId)>,
    limit: usize,
) -> Result<Found<StockLevel, (Sku, LocationId)>, Fault> {
    let mut span = Span::<Stock>::all();
    if let Some(after) = after {
        span = span.resume_after(&after);
    }
    let found = Found::of(read.scan(span), limit)?;
    Ok(found.map(|((sku, location), row)| StockLevel { sku, location, row }))
}

/// The movements of a row, newest first: each leads to the one before it. `from`: the row's `last_movement` to begin,
/// then the `next` of the piece before. Ends where the feed was trimmed.
pub fn movements(
    read: &impl Read,
    from: u64,
    limit: usize,
) -> Result<Found<(Recorded, Movement), u64>, Fault> {
    let limit = limit.clamp(1, MAX_LIMIT);
    let mut items = Vec::new();
    let mut seq = from;
    while items.len() < limit && seq > 0 {
        let Some(found) = event_at(read, seq)? else {
            return Ok(Found { items, next: None });
        };
        let Event::Inventory(inventory::Event::Moved(movement)) = &found.event else {
            return Err(Fault::corrupt("a stock row's ledger", format!("event {seq} is no movement")));
        };
        seq = movement.previous;
        let movement = movement.clone();
        items.push((found, movement));
    }
    Ok(Found { items, next: (seq > 0).then_some(seq) })
}
