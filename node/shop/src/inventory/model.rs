//! Where stock lies, and how much of it.

use serde::{Deserialize, Serialize};

use crate::catalog::Sku;
use crate::ids::LocationId;
use crate::table;
use crate::time::Timestamp;

/// The most locations of a shop: allocation may look at the stock of each.
pub const MAX_LOCATIONS: usize = 50;
/// The most units in one row: sums over all locations stay far inside an `i64`.
pub const MAX_UNITS: i64 = 1_000_000_000;
/// Below how many available units a row is told to be low, unless set otherwise.
pub const DEFAULT_LOW_AT: i64 = 5;

table!(
    /// All locations, in one record: each placing reads it.
    Locations, LOCATIONS, () => LocationBook
);

table!(
    /// Stock rows.
    Stock, STOCK, (Sku, LocationId) => StockRow
);

/// The locations of a shop, in the order in which orders are allocated to them; the first is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationBook {
    pub locations: Vec<Location>,
}

storage::versioned!(LocationBook, 1);

impl LocationBook {
    /// The location that is meant when none is named.
    pub fn default_location(&self) -> Option<LocationId> {
        self.locations.first().map(|location| location.id)
    }

    pub fn get(&self, id: LocationId) -> Option<&Location> {
        self.locations.iter().find(|location| location.id == id)
    }
}

/// A place with stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    pub id: LocationId,
    pub name: String,
    pub created_at: Timestamp,
}

/// Units of a row, or a change of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Levels {
    /// Physically there.
    pub on_hand: i64,
    /// Of these, reserved for orders that are not paid yet.
    pub held: i64,
    /// Of these, promised to orders.
    pub committed: i64,
}

impl Levels {
    pub const fn new(on_hand: i64, held: i64, committed: i64) -> Self {
        Self { on_hand, held, committed }
    }

    /// The sum, unless a part of it leaves `0..=MAX_UNITS`.
    pub fn plus(self, change: Self) -> Option<Self> {
        let add = |a: i64, b: i64| a.checked_add(b).filter(|sum| (0..=MAX_UNITS).contains(sum));
        Some(Self {
            on_hand: add(self.on_hand, change.on_hand)?,
            held: add(self.held, change.held)?,
            committed: add(self.committed, change.committed)?,
        })
    }

    /// What no order has claimed. Negative only with backorders.
    pub fn free(self) -> i64 {
        self.on_hand - self.held - self.committed
    }
}

/// The stock of one SKU at one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRow {
    pub levels: Levels,
    /// Kept back from sale.
    pub safety: i64,
    /// `stock.low` is told when what is available falls to this or below.
    pub low_at: i64,
    /// The levels before the oldest movement that the feed still has: `opening` + movements = `levels`.
    pub opening: Levels,
    /// The sequence number of the last movement; 0 if there was none.
    pub last_movement: u64,
}

storage::versioned!(StockRow, 1);

impl Default for StockRow {
    fn default() -> Self {
        Self {
            levels: Levels::default(),
            safety: 0,
            low_at: DEFAULT_LOW_AT,
            opening: Levels::default(),
            last_movement: 0,
        }
    }
}

impl StockRow {
    /// What can be ordered: on hand − held − committed − safety. A reserve that is larger than what is free leaves 0;
    /// only backorders make it negative.
    pub fn available(&self) -> i64 {
        let free = self.levels.free();
        if free <= 0 { free } else { (free - self.safety).max(0) }
    }
}

/// Units of an order line that one location serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    pub location: LocationId,
    /// Units claimed there.
    pub quantity: u32,
    /// Of these, the ones that have left.
    pub shipped: u32,
}

impl Allocation {
    /// Units that are still there.
    pub fn outstanding(&self) -> u32 {
        self.quantity.saturating_sub(self.shipped)
    }
}

#[cfg(test)]
mod tests {
    use super::{Levels, MAX_UNITS, StockRow};

    #[test]
    fn available_is_what_is_left_for_sale() {
        let check = |levels, safety, expect| {
            assert_eq!(StockRow { levels, safety, ..StockRow::default() }.available(), expect);
        };
        check(Levels::new(10, 2, 3), 1, 4);
        check(Levels::new(10, 2, 3), 9, 0);
        check(Levels::new(0, 2, 3), 9, -5);
        check(Levels::new(0, 0, 0), 9, 0);
    }

    #[test]
    fn levels_stay_in_bounds() {
        assert_eq!(Levels::new(1, 0, 0).plus(Levels::new(-2, 0, 0)), None);
        assert_eq!(Levels::new(1, 0, 0).plus(Levels::new(MAX_UNITS, 0, 0)), None);
        assert_eq!(Levels::new(1, 0, 0).plus(Levels::new(i64::MIN, 0, 0)), None);
        assert_eq!(Levels::new(5, 2, 0).plus(Levels::new(-1, -2, 2)), Some(Levels::new(4, 0, 2)));
    }
}
