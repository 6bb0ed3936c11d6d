use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::Event;
use crate::ids::{FulfilmentId, OrderId};
use crate::inventory::{self, Outstanding};
use crate::order::lifecycle::complete_if_done;
use crate::order::record::Draft;
use crate::order::{self, Fulfilment, Line, MAX_FULFILMENTS, Order, Shipped, Status, Tracking};
use crate::outcome::Outcome;
use crate::rejection::{Halt, Rejection};

/// Ships units of an open order: some lines, some units, or all that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfilOrder {
    pub order: OrderId,
    /// Position of a line in the order, and units of it; all that has not shipped if empty.
    pub lines: Vec<(u8, u32)>,
    pub tracking: Option<Tracking>,
}

impl Execute for FulfilOrder {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let mut draft = Draft::load(ctx, self.order)?;
        self.check(&draft.order)?;
        let lines = if self.lines.is_empty() { all_left(&draft.order) } else { self.lines.clone() };
        let rows = ship(&mut draft.order, &lines)?;
        let units = rows.iter().map(|(_, units)| units.unsigned_abs()).sum();
        inventory::fulfil(ctx, self.order, rows)?;
        draft.order.fulfilments.push(Fulfilment {
            lines,
            tracking: self.tracking.clone(),
            shipped_at: ctx.now,
            delivered_at: None,
        });
        let fulfilment_id = FulfilmentId::of(self.order, draft.order.fulfilments.len() as u8);
        ctx.emit(Event::Order(order::Event::Shipped(Shipped {
            order_id: self.order,
            number: draft.order.number,
            fulfilment_id,
            units,
        })));
        complete_if_done(ctx, &mut draft);
        Ok(order::Outcome::of(draft.save(ctx)?))
    }
}

impl FulfilOrder {
    fn check(&self, order: &Order) -> Result<(), Rejection> {
        if order.status != Status::Open || order.cancel_wanted {
            let wish = if order.cancel_wanted { " and to be canceled" } else { "" };
            let detail = format!("order {} is {}{wish}", self.order, order.status.as_str());
            return Err(Rejection::new(Code::Conflict, detail));
        }
        if order.all_shipped() {
            let detail = format!("all of order {} has shipped", self.order);
            return Err(Rejection::new(Code::Conflict, detail));
        }
        if order.fulfilments.len() >= MAX_FULFILMENTS {
            let detail = format!("an order has at most {MAX_FULFILMENTS} fulfilments");
            return Err(Rejection::new(Code::LimitReached, detail));
        }
        Ok(())
    }
}

fn all_left(order: &Order) -> Vec<(u8, u32)> {
    let left = |(position, line): (usize, &Line)| (position as u8, line.quantity - line.shipped());
    order.lines.iter().enumerate().map(left).filter(|(_, units)| *units > 0).collect()
}

/// Takes units out of the lines' allocations, in their order, and adds up what leaves which stock row.
fn ship(order: &mut Order, lines: &[(u8, u32)]) -> Result<Outstanding, Rejection> {
    let mut rows = Outstanding::new();
    for (position, (index, units)) in lines.iter().enumerate() {
        let Some(line) = order.lines.get_mut(usize::from(*index)) else {
            let detail = format!("the order has no line {index}");
            return Err(Rejection::at(Code::InvalidValue, format!("/lines/{position}/line"), detail));
        };
        let left = line.quantity - line.shipped();
        if !(1..=left).contains(units) {
            let detail = format!("of line {index}, {left} of {} units have not shipped", line.quantity);
            return Err(Rejection::at(Code::InvalidValue, format!("/lines/{position}/quantity"), detail));
        }
        let mut missing = *units;
        for allocation in &mut line.allocations {
            let taken = allocation.outstanding().min(missing);
            if taken > 0 {
                allocation.shipped += taken;
                missing -= taken;
                inventory::add_to(&mut rows, &line.sku, allocation.location, taken);
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::FulfilOrder;
    use crate::codes::Code;
    use crate::ids::FulfilmentId;
    use crate::order::testing::{Desk, lines};
    use crate::order::{DeliverFulfilment, FulfilmentStatus};

    #[test]
    fn only_what_is_paid_and_has_not_shipped_is_shipped() {
        let mut desk = Desk::new();
        let order = desk.place(lines(&[("TEA-1", 2)]));
        let ship = |lines: &[(u8, u32)]| FulfilOrder { order, lines: lines.to_vec(), tracking: None };
        assert_eq!(desk.bench.refused(ship(&[])).code, Code::Conflict);
        desk.pay(order);
        for wrong in [&[(0, 3)][..], &[(0, 0)], &[(1, 1)], &[(0, 1), (0, 2)], &[(255, 1)]] {
            assert_eq!(desk.bench.refused(ship(wrong)).code, Code::InvalidValue, "{wrong:?}");
        }
        desk.bench.ok(ship(&[(0, 1), (0, 1)]));
        assert_eq!(desk.bench.refused(ship(&[])).code, Code::Conflict);
    }

    #[test]
    fn an_order_is_delivered_when_all_of_its_shipments_are() {
        let mut desk = Desk::new();
        let order = desk.place(lines(&[("TEA-1", 2)]));
        desk.pay(order);
        for _ in 0..2 {
            desk.bench.ok(FulfilOrder { order, lines: vec![(0, 1)], tracking: None });
        }
        let deliver = |ordinal| DeliverFulfilment { fulfilment: FulfilmentId::of(order, ordinal) };
        desk.bench.ok(deliver(1));
        assert_eq!(desk.order(order).fulfilment_status(), FulfilmentStatus::Fulfilled);
        desk.bench.ok(deliver(2));
        assert_eq!(desk.order(order).fulfilment_status(), FulfilmentStatus::Delivered);
        let before = desk.bench.store.digest();
        desk.bench.ok(deliver(2));
        assert_eq!(desk.bench.store.digest(), before);
        assert_eq!(desk.bench.refused(deliver(3)).code, Code::NotFound);
        assert_eq!(desk.bench.refused(deliver(0)).code, Code::NotFound);
    }
}
