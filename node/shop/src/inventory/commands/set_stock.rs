use serde::{Deserialize, Serialize};
use storage::Read;

use super::place::{find, keep_promises};
use crate::catalog::Sku;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::LocationId;
use crate::inventory::movement::{Cause, move_stock};
use crate::inventory::{self, Levels, Reason, Stock, StockLevel, StockRow};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Sets what is on hand to what was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetStock {
    pub sku: Sku,
    /// The default location if none is named.
    pub location: Option<LocationId>,
    /// Units, `0..=MAX_UNITS`.
    pub on_hand: i64,
    /// Compare and set: refused with `stock_changed` unless this is what is on hand.
    pub if_on_hand: Option<i64>,
}

impl Execute for SetStock {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let place = find(ctx, &self.sku, self.location, "/location_id")?;
        let row = ctx.tx.get::<Stock>(&place)?.unwrap_or_default();
        let found = row.levels.on_hand;
        if let Some(expected) = self.if_on_hand
            && expected != found
        {
            let detail = format!("{} has {found} on hand, not {expected}", self.sku);
            return Err(Rejection::at(Code::StockChanged, "/if_on_hand", detail).into());
        }
        let row = set_row(ctx, &place, row, self.on_hand)?;
        let level = StockLevel { sku: place.0, location: place.1, row };
        Ok(Outcome::Inventory(inventory::Outcome::Stock(vec![level])))
    }
}

fn set_row(
    ctx: &mut Ctx<'_, '_>,
    place: &(Sku, LocationId),
    row: StockRow,
    on_hand: i64,
) -> Result<StockRow, Halt> {
    let change = Levels::new(on_hand.saturating_sub(row.levels.on_hand), 0, 0);
    keep_promises(ctx, &place.0, &row, change, "/on_hand")?;
    if change.on_hand == 0 && row.last_movement != 0 {
        return Ok(row);
    }
    move_stock(ctx, place, row, change, Cause { reason: Reason::Set, order: None, note: None })
}

#[cfg(test)]
mod tests {
    use super::SetStock;
    use crate::codes::Code;
    use crate::inventory::{Levels, Stock, queries};
    use crate::order::testing::{Desk, lines, sku};
    use storage::Read;

    fn set(on_hand: i64, if_on_hand: Option<i64>) -> SetStock {
        SetStock { sku: sku("TEA-1"), location: None, on_hand, if_on_hand }
    }

    #[test]
    fn it_compares_before_it_sets() {
        let mut desk = Desk::new();
        assert_eq!(desk.bench.refused(set(90, Some(11))).code, Code::StockChanged);
        desk.bench.ok(set(90, Some(10)));
        assert_eq!(desk.levels("TEA-1"), Levels::new(90, 0, 0));
    }

    #[test]
    fn what_orders_claim_stays() {
        let mut desk = Desk::new();
        desk.place(lines(&[("TEA-1", 4)]));
        assert_eq!(desk.bench.refused(set(3, None)).code, Code::StockNegative);
        desk.bench.ok(set(4, None));
        assert_eq!(desk.bench.refused(set(-1, None)).code, Code::StockNegative);
        assert_eq!(desk.bench.refused(set(i64::MAX, None)).code, Code::StockNegative);
        assert_eq!(desk.bench.refused(set(i64::MIN, None)).code, Code::StockNegative);
    }

    #[test]
    fn setting_what_is_there_writes_nothing_and_strangers_are_refused() {
        let mut desk = Desk::new();
        let before = desk.bench.store.digest();
        desk.bench.ok(set(10, None));
        assert_eq!(desk.bench.store.digest(), before);
        let stranger = SetStock { sku: sku("NONE-1"), ..set(1, None) };
        assert_eq!(desk.bench.refused(stranger).code, Code::NotFound);
        let nowhere = SetStock { location: Some(crate::ids::LocationId([9; 16])), ..set(1, None) };
        assert_eq!(desk.bench.refused(nowhere).code, Code::NotFound);
    }

    #[test]
    fn a_row_leads_through_its_movements() {
        let mut desk = Desk::new();
        for on_hand in [12, 7] {
            desk.bench.ok(set(on_hand, None));
        }
        let view = desk.bench.view();
        let row = view.get::<Stock>(&(sku("TEA-1"), desk.location)).unwrap().unwrap();
        let first = queries::movements(&view, row.last_movement, 2).unwrap();
        let changes = |found: &[(_, crate::inventory::Movement)]| -> Vec<i64> {
            found.iter().map(|(_, movement)| movement.change.on_hand).collect()
        };
        assert_eq!(changes(&first.items), [-5, 2]);
        let rest = queries::movements(&view, first.next.unwrap(), 2).unwrap();
        assert_eq!((changes(&rest.items), rest.next), (vec![10], None));
    }
}
