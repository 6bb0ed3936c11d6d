//! The ways of an order from one status to another, each with what it does to stock and money.

use crate::catalog::{Sku, Skus};
use crate::ctx::Ctx;
use crate::event::Event;
use crate::inventory::{self, Claim, Demand, Held, Outstanding, Reason};
use crate::order::event::Told;
use crate::order::record::Draft;
use crate::order::{self, Hold, Order, Status};
use crate::rejection::Halt;
use storage::Read;

/// Emits an event about the order.
pub(crate) fn tell(ctx: &mut Ctx<'_, '_>, draft: &Draft, event: impl FnOnce(Told) -> order::Event) {
    let told = Told { order_id: draft.id, number: draft.order.number };
    ctx.emit(Event::Order(event(told)));
}

/// `pending_payment → open`: the hold becomes a promise.
pub(crate) fn confirm(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) -> Result<(), Halt> {
    if let Hold::Active { .. } = draft.order.hold {
        inventory::commit(ctx, draft.id, claimed(&draft.order))?;
        draft.order.hold = Hold::Committed;
    }
    draft.order.status = Status::Open;
    tell(ctx, draft, order::Event::Confirmed);
    complete_if_done(ctx, draft);
    Ok(())
}

/// `→ canceled`: its stock can be sold again. What was paid is the caller's to give back.
pub(crate) fn cancel(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) -> Result<(), Halt> {
    release(ctx, draft, Reason::Released)?;
    draft.order.hold = Hold::Released;
    draft.order.status = Status::Canceled;
    tell(ctx, draft, order::Event::Canceled);
    Ok(())
}

/// `pending_payment → expired`: its stock can be sold again.
pub(crate) fn expire(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) -> Result<(), Halt> {
    release(ctx, draft, Reason::Expired)?;
    draft.order.hold = Hold::Expired;
    draft.order.status = Status::Expired;
    tell(ctx, draft, order::Event::Expired);
    Ok(())
}

/// `expired | canceled → open`, if all of its stock can be had again. Says whether.
pub(crate) fn reopen(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) -> Result<bool, Halt> {
    let mut backorders = Vec::with_capacity(draft.order.lines.len());
    for line in &draft.order.lines {
        backorders.push(ctx.tx.get::<Skus>(&line.sku)?.map(|record| record.backorder).unwrap_or_default());
    }
    let lines = draft.order.lines.iter().zip(backorders);
    let demands: Vec<Demand<'_>> = lines
        .map(|(line, backorder)| Demand { sku: &line.sku, quantity: line.quantity, backorder })
        .collect();
    let Held::All(allocations) = inventory::claim(ctx, draft.id, &demands, Claim::Commit)? else {
        return Ok(false);
    };
    for (line, allocations) in draft.order.lines.iter_mut().zip(allocations) {
        line.allocations = allocations;
    }
    draft.order.hold = Hold::Committed;
    draft.order.status = Status::Open;
    tell(ctx, draft, order::Event::Reopened);
    tell(ctx, draft, order::Event::Confirmed);
    Ok(true)
}

/// `open → completed`, when all is shipped and paid.
pub(crate) fn complete_if_done(ctx: &mut Ctx<'_, '_>, draft: &mut Draft) {
    if draft.order.status == Status::Open && draft.order.all_shipped() && draft.order.is_paid() {
        draft.order.status = Status::Completed;
        tell(ctx, draft, order::Event::Completed);
    }
}

fn release(ctx: &mut Ctx<'_, '_>, draft: &mut Draft, reason: Reason) -> Result<(), Halt> {
    let from = match draft.order.hold {
        Hold::Active { .. } => Claim::Hold,
        Hold::Committed => Claim::Commit,
        Hold::Released | Hold::Expired => return Ok(()),
    };
    inventory::release(ctx, draft.id, claimed(&draft.order), from, reason)?;
    draft.order.lines.iter_mut().for_each(|line| line.allocations.clear());
    Ok(())
}

/// What the order still claims of each stock row.
fn claimed(order: &Order) -> Outstanding {
    let lines = order.lines.iter();
    inventory::outstanding(lines.map(|line| -> (&Sku, &[_]) { (&line.sku, &line.allocations) }))
}
