use serde::{Deserialize, Serialize};
use storage::Read;

use super::place::{find, keep_promises};
use crate::catalog::Sku;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::LocationId;
use crate::inventory::movement::{Cause, move_stock};
use crate::inventory::{self, Levels, Reason, Stock, StockLevel};
use crate::outcome::Outcome;
use crate::rejection::Halt;

/// Adds units, or takes some away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustStock {
    pub sku: Sku,
    /// The default location if none is named.
    pub location: Option<LocationId>,
    /// Units, `-MAX_UNITS..=MAX_UNITS`.
    pub by: i64,
    /// A word like `damaged`; not personal data, because it is told in an event.
    pub reason: Option<String>,
}

impl Execute for AdjustStock {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let place = find(ctx, &self.sku, self.location, "/location_id")?;
        let row = ctx.tx.get::<Stock>(&place)?.unwrap_or_default();
        let change = Levels::new(self.by, 0, 0);
        keep_promises(ctx, &self.sku, &row, change, "/by")?;
        let cause = Cause { reason: Reason::Adjusted, order: None, note: self.reason.clone() };
        let row = move_stock(ctx, &place, row, change, cause)?;
        let level = StockLevel { sku: place.0, location: place.1, row };
        Ok(Outcome::Inventory(inventory::Outcome::Stock(vec![level])))
    }
}

#[cfg(test)]
mod tests {
    use super::AdjustStock;
    use crate::codes::Code;
    use crate::inventory::Levels;
    use crate::order::testing::{Desk, lines, sku};

    #[test]
    fn no_more_is_taken_than_is_free() {
        let mut desk = Desk::new();
        desk.place(lines(&[("TEA-1", 4)]));
        let adjust = |by| AdjustStock { sku: sku("TEA-1"), location: None, by, reason: Some("damaged".into()) };
        for by in [-7, i64::MIN, i64::MAX] {
            assert_eq!(desk.bench.refused(adjust(by)).code, Code::StockNegative);
        }
        desk.bench.ok(adjust(-6));
        assert_eq!(desk.levels("TEA-1"), Levels::new(4, 4, 0));
        desk.bench.ok(adjust(3));
        let kinds = desk.bench.event_kinds();
        let tail: Vec<&str> = kinds.iter().rev().take(4).map(String::as_str).collect();
        let expected =
            ["shopnode.stock.back.v1", "shopnode.stock.adjusted.v1", "shopnode.stock.out.v1", "shopnode.stock.adjusted.v1"];
        assert_eq!(tail, expected);
    }
}
