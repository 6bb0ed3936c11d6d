//! What orders do with stock: hold it, commit it, let it go, ship it. Each changes one row once per command.

use crate::catalog::{Backorder, Sku};
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::ids::{LocationId, OrderId};
use crate::inventory::movement::{Cause, move_stock};
use crate::inventory::{Allocation, Levels, LocationBook, Locations, Reason, Stock, StockRow};
use crate::rejection::{Halt, Rejection};
use storage::Read;

/// What one order line wants.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    pub sku: &'a Sku,
    pub quantity: u32,
    pub backorder: Backorder,
}

/// What became of a demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Each line's allocations, in the order of the lines.
    All(Vec<Vec<Allocation>>),
    /// Nothing was held, because these lines want more than is available.
    Short(Vec<Shortage>),
}

/// A line that wants more than there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Its position among the demands.
    pub line: usize,
    /// What all locations together have available of its SKU.
    pub available: i64,
}

/// Into which level claimed stock goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// For an order that is still to be paid.
    Hold,
    /// For an order that is certain.
    Commit,
}

/// The rows of one SKU, as far as they were needed.
struct Pool<'a> {
    sku: &'a Sku,
    wanted: i64,
    rows: Vec<PoolRow>,
}

struct PoolRow {
    location: LocationId,
    row: StockRow,
    taken: i64,
}

impl PoolRow {
    fn left(&self) -> i64 {
        self.row.available() - self.taken
    }
}

/// Claims stock for an order, or nothing at all. Demand is added up per SKU over all lines before it is compared with
/// what is there; locations are emptied in their order; a SKU with backorders takes what is missing at the default one.
pub(crate) fn claim(
    ctx: &mut Ctx<'_, '_>,
    order: OrderId,
    demands: &[Demand<'_>],
    claim: Claim,
) -> Result<Held, Halt> {
    let book = ctx.tx.get::<Locations>(&())?.unwrap_or_default();
    let mut pools: Vec<Pool<'_>> = Vec::with_capacity(demands.len());
    let mut shortages = Vec::new();
    for demand in demands {
        if pools.iter().any(|pool| pool.sku == demand.sku) {
            continue;
        }
        let wanted = demands
            .iter()
            .filter(|other| other.sku == demand.sku)
            .map(|other| i64::from(other.quantity))
            .sum();
        let pool = fill(ctx, &book, demand.sku, wanted)?;
        let available: i64 = pool.rows.iter().map(|row| row.row.available().max(0)).sum();
        let takes_more = demand.backorder == Backorder::Allow && !pool.rows.is_empty();
        if available < pool.wanted && !takes_more {
            let lines = demands.iter().enumerate().filter(|(_, other)| other.sku == demand.sku);
            shortages.extend(lines.map(|(line, _)| Shortage { line, available }));
        }
        pools.push(pool);
    }
    if !shortages.is_empty() {
        shortages.sort_by_key(|shortage| shortage.line);
        return Ok(Held::Short(shortages));
    }
    let allocations = demands.iter().map(|demand| allocate(&mut pools, demand)).collect();
    for pool in pools {
        for PoolRow { location, row, taken } in pool.rows.into_iter().filter(|row| row.taken > 0) {
            let (change, reason) = match claim {
                Claim::Hold => (Levels::new(0, taken, 0), Reason::Held),
                Claim::Commit => (Levels::new(0, 0, taken), Reason::Committed),
            };
            move_stock(ctx, &(pool.sku.clone(), location), row, change, Cause::of_order(reason, order))?;
        }
    }
    Ok(Held::All(allocations))
}

/// Reads rows in the order of the locations until they have what is wanted.
fn fill<'a>(ctx: &Ctx<'_, '_>, book: &LocationBook, sku: &'a Sku, wanted: i64) -> Result<Pool<'a>, Halt> {
    let mut pool = Pool { sku, wanted, rows: Vec::with_capacity(1) };
    let mut available = 0;
    for location in &book.locations {
        let stored = ctx.tx.get::<Stock>(&(sku.clone(), location.id))?;
        // The default location is where backorders go, stocked or not.
        if stored.is_none() && !pool.rows.is_empty() {
            continue;
        }
        let row = stored.unwrap_or_default();
        available += row.available().max(0);
        pool.rows.push(PoolRow { location: location.id, row, taken: 0 });
        if available >= wanted {
            break;
        }
    }
    Ok(pool)
}

fn allocate(pools: &mut [Pool<'_>], demand: &Demand<'_>) -> Vec<Allocation> {
    let mut allocations: Vec<Allocation> = Vec::with_capacity(1);
    let mut missing = i64::from(demand.quantity);
    let Some(pool) = pools.iter_mut().find(|pool| pool.sku == demand.sku) else {
        return allocations;
    };
    for row in &mut pool.rows {
        let taken = row.left().clamp(0, missing);
        if taken > 0 {
            row.taken += taken;
            missing -= taken;
            allocations.push(Allocation { location: row.location, quantity: taken as u32, shipped: 0 });
        }
    }
    if missing > 0
        && let Some(row) = pool.rows.first_mut()
    {
        row.taken += missing;
        match allocations.iter_mut().find(|allocation| allocation.location == row.location) {
            Some(allocation) => allocation.quantity += missing as u32,
            None => {
                let quantity = missing as u32;
                allocations.push(Allocation { location: row.location, quantity, shipped: 0 });
            }
        }
    }
    allocations
}

/// Units at one place, of all lines of an order.
pub(crate) type Outstanding = Vec<((Sku, LocationId), i64)>;

/// Adds up per row what the lines of an order still claim.
pub(crate) fn outstanding<'a>(lines: impl Iterator<Item = (&'a Sku, &'a [Allocation])>) -> Outstanding {
    let mut rows: Outstanding = Vec::new();
    for (sku, allocations) in lines {
        for allocation in allocations.iter().filter(|allocation| allocation.outstanding() > 0) {
            add_to(&mut rows, sku, allocation.location, allocation.outstanding());
        }
    }
    rows
}

/// Adds units of a row to a list.
pub(crate) fn add_to(rows: &mut Outstanding, sku: &Sku, location: LocationId, units: u32) {
    let found =
        rows.iter_mut().find(|((row_sku, row_location), _)| row_sku == sku && *row_location == location);
    match found {
        Some((_, sum)) => *sum += i64::from(units),
        None => rows.push(((sku.clone(), location), i64::from(units))),
    }
}

/// Held stock becomes promised stock.
pub(crate) fn commit(ctx: &mut Ctx<'_, '_>, order: OrderId, rows: Outstanding) -> Result<(), Halt> {
    move_all(ctx, order, rows, Reason::Committed, |units| Levels::new(0, -units, units))
}

/// Claimed stock can be sold again. `reason` is [`Reason::Released`] or [`Reason::Expired`].
pub(crate) fn release(
    ctx: &mut Ctx<'_, '_>,
    order: OrderId,
    rows: Outstanding,
    from: Claim,
    reason: Reason,
) -> Result<(), Halt> {
    move_all(ctx, order, rows, reason, |units| match from {
        Claim::Hold => Levels::new(0, -units, 0),
        Claim::Commit => Levels::new(0, 0, -units),
    })
}

/// Promised stock leaves the house. Refused with `stock_negative` if it is not there (a backorder).
pub(crate) fn fulfil(ctx: &mut Ctx<'_, '_>, order: OrderId, rows: Outstanding) -> Result<(), Halt> {
    move_all(ctx, order, rows, Reason::Fulfilled, |units| Levels::new(-units, 0, -units))
}

fn move_all(
    ctx: &mut Ctx<'_, '_>,
    order: OrderId,
    rows: Outstanding,
    reason: Reason,
    change: impl Fn(i64) -> Levels,
) -> Result<(), Halt> {
    for (place, units) in rows {
        let Some(row) = ctx.tx.get::<Stock>(&place)? else {
            let detail = format!("{} has no stock at {}", place.0, place.1);
            return Err(Rejection::new(Code::StockNegative, detail).into());
        };
        move_stock(ctx, &place, row, change(units), Cause::of_order(reason, order))?;
    }
    Ok(())
}
