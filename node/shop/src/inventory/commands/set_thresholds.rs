use serde::{Deserialize, Serialize};
use storage::Read;

use super::place::find;
use crate::catalog::Sku;
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::LocationId;
use crate::inventory::movement::tell_buyers;
use crate::inventory::{self, MAX_UNITS, Stock, StockLevel};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Sets how many units of a row are kept back from sale, and when it is told to be low.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetThresholds {
    pub sku: Sku,
    /// The default location if none is named.
    pub location: Option<LocationId>,
    /// Units kept back, `0..=MAX_UNITS`; unchanged if `None`.
    pub safety: Option<i64>,
    /// Available units at which `stock.low` is told, `0..=MAX_UNITS`; unchanged if `None`.
    pub low_at: Option<i64>,
}

impl Execute for SetThresholds {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let place = find(ctx, &self.sku, self.location, "/location_id")?;
        for (value, pointer) in [(self.safety, "/safety"), (self.low_at, "/low_at")] {
            if value.is_some_and(|units| !(0..=MAX_UNITS).contains(&units)) {
                let detail = format!("it is 0 to {MAX_UNITS} units");
                return Err(Rejection::at(Code::InvalidValue, pointer, detail).into());
            }
        }
        let mut row = ctx.tx.get::<Stock>(&place)?.unwrap_or_default();
        let available_before = row.available();
        row.safety = self.safety.unwrap_or(row.safety);
        row.low_at = self.low_at.unwrap_or(row.low_at);
        tell_buyers(ctx, &place, available_before, &row);
        ctx.tx.put::<Stock>(&place, &row)?;
        let level = StockLevel { sku: place.0, location: place.1, row };
        Ok(Outcome::Inventory(inventory::Outcome::Stock(vec![level])))
    }
}

#[cfg(test)]
mod tests {
    use super::SetThresholds;
    use crate::codes::Code;
    use crate::order::testing::{Desk, lines, sku};

    #[test]
    fn what_is_kept_back_is_not_sold_and_what_is_low_is_told() {
        let mut desk = Desk::new();
        let set = |safety, low_at| SetThresholds { sku: sku("TEA-1"), location: None, safety, low_at };
        assert_eq!(desk.bench.refused(set(Some(-1), None)).code, Code::InvalidValue);
        desk.bench.ok(set(Some(7), Some(2)));
        assert_eq!(desk.bench.refused(lines(&[("TEA-1", 4)])).code, Code::OutOfStock);
        desk.place(lines(&[("TEA-1", 1)]));
        assert!(desk.bench.event_kinds().contains(&"shopnode.stock.low.v1".to_owned()));
        desk.place(lines(&[("TEA-1", 2)]));
        assert!(desk.bench.event_kinds().contains(&"shopnode.stock.out.v1".to_owned()));
    }
}
