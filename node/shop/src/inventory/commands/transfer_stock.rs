use serde::{Deserialize, Serialize};
use storage::Read;

use super::place::{find, keep_promises};
use crate::catalog::Sku;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::LocationId;
use crate::inventory::movement::{Cause, move_stock};
use crate::inventory::{self, Levels, Reason, Stock, StockLevel};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Carries units from one location to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferStock {
    pub sku: Sku,
    pub from: LocationId,
    pub to: LocationId,
    /// Units, `1..=MAX_UNITS`.
    pub quantity: i64,
}

impl Execute for TransferStock {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        if self.from == self.to {
            let detail = "both locations are the same".to_owned();
            return Err(Rejection::at(Code::InvalidValue, "/to", detail).into());
        }
        if self.quantity <= 0 {
            let detail = "a transfer moves at least one unit".to_owned();
            return Err(Rejection::at(Code::InvalidValue, "/quantity", detail).into());
        }
        let from = find(ctx, &self.sku, Some(self.from), "/from")?;
        let to = find(ctx, &self.sku, Some(self.to), "/to")?;
        let source = ctx.tx.get::<Stock>(&from)?.unwrap_or_default();
        let target = ctx.tx.get::<Stock>(&to)?.unwrap_or_default();
        let cause = Cause { reason: Reason::Transferred, order: None, note: None };
        let change = Levels::new(-self.quantity, 0, 0);
        keep_promises(ctx, &self.sku, &source, change, "/quantity")?;
        let source = move_stock(ctx, &from, source, change, cause.clone())?;
        let target = move_stock(ctx, &to, target, Levels::new(self.quantity, 0, 0), cause)?;
        let level = |place: (Sku, LocationId), row| StockLevel { sku: place.0, location: place.1, row };
        Ok(Outcome::Inventory(inventory::Outcome::Stock(vec![level(from, source), level(to, target)])))
    }
}

#[cfg(test)]
mod tests {
    use super::TransferStock;
    use crate::codes::Code;
    use crate::inventory::{CreateLocation, Levels, queries};
    use crate::order::testing::{Desk, lines, sku};

    #[test]
    fn units_change_their_place_and_not_their_number() {
        let mut desk = Desk::new();
        desk.bench.ok(CreateLocation { name: "Second".into() });
        assert_eq!(
            desk.bench.refused(CreateLocation { name: "Second".into() }).code,
            Code::AlreadyExists
        );
        let book = queries::locations(&desk.bench.view()).unwrap();
        let (from, to) = (book.locations[0].id, book.locations[1].id);
        desk.place(lines(&[("TEA-1", 4)]));
        let transfer = |from, to, quantity| TransferStock { sku: sku("TEA-1"), from, to, quantity };
        assert_eq!(desk.bench.refused(transfer(from, to, 7)).code, Code::StockNegative);
        assert_eq!(desk.bench.refused(transfer(from, to, 0)).code, Code::InvalidValue);
        assert_eq!(desk.bench.refused(transfer(from, from, 1)).code, Code::InvalidValue);
        desk.bench.ok(transfer(from, to, 6));
        let rows = queries::stock_of(&desk.bench.view(), &sku("TEA-1")).unwrap();
        let levels: Vec<Levels> = rows.iter().map(|level| level.row.levels).collect();
        assert_eq!(levels, [Levels::new(4, 4, 0), Levels::new(6, 0, 0)]);
    }
}
