//! Reading an order to change it, and storing it with its indexes.

use storage::Read;

use crate::actor::Caller;
use crate::codes::Code;
use crate::ctx::Ctx;
use crate::ids::OrderId;
use crate::order::model::MAX_HISTORY;
use crate::order::{Order, Orders, OrdersByStatus, Status};
use crate::payment::by_state::{States, relist};
use crate::payment::{self, PaymentWork};
use crate::rejection::{Halt, Rejection};
use crate::tables::Present;

/// An order that a command is changing.
#[derive(Debug)]
pub(crate) struct Draft {
    pub id: OrderId,
    pub order: Order,
    status_before: Status,
    in_work_before: bool,
    states_before: States,
}

impl Draft {
    /// Refused with `not_found` if there is none.
    pub(crate) fn load(ctx: &Ctx<'_, '_>, id: OrderId) -> Result<Self, Halt> {
        Self::find(ctx, id)?.ok_or_else(|| not_found(id).into())
    }

    /// The same for a caller, who learns nothing of the orders of others.
    pub(crate) fn load_for(ctx: &Ctx<'_, '_>, id: OrderId, caller: Caller) -> Result<Self, Halt> {
        let draft = Self::load(ctx, id)?;
        if caller.may_touch(draft.order.owner) { Ok(draft) } else { Err(not_found(id).into()) }
    }

    pub(crate) fn find(ctx: &Ctx<'_, '_>, id: OrderId) -> Result<Option<Self>, Halt> {
        let Some(order) = ctx.tx.get::<Orders>(&id)? else {
            return Ok(None);
        };
        let (status_before, in_work_before) = (order.status, in_work(&order));
        let states_before = States::of(&order);
        Ok(Some(Self { id, order, status_before, in_work_before, states_before }))
    }

    /// Stores the order, moves its index entries, notes the command's events in its history, and checks what must hold
    /// of every order. Returns it without what is personal, for the answer.
    pub(crate) fn save(mut self, ctx: &mut Ctx<'_, '_>) -> Result<(OrderId, Order), Halt> {
        self.order.revision += 1;
        self.order.updated_at = ctx.now;
        if ctx.first_seq() < ctx.next_seq() {
            note(&mut self.order, ctx.first_seq());
        }
        payment::check_invariants(&self.order)?;
        if self.order.status != self.status_before {
            ctx.tx.delete::<OrdersByStatus>(&(self.status_before.key(), self.id))?;
            ctx.tx.insert::<OrdersByStatus>(&(self.order.status.key(), self.id), &Present)?;
        }
        match (self.in_work_before, in_work(&self.order)) {
            (false, true) => ctx.tx.insert::<PaymentWork>(&self.id, &Present)?,
            (true, false) => {
                ctx.tx.delete::<PaymentWork>(&self.id)?;
            }
            (false, false) | (true, true) => {}
        }
        relist(ctx, self.id, self.states_before, States::of(&self.order))?;
        ctx.tx.put::<Orders>(&self.id, &self.order)?;
        self.order.personal = None;
        Ok((self.id, self.order))
    }

    /// The order as it is, without what is personal, for the answer of a command that has nothing to change.
    pub(crate) fn unchanged(mut self) -> (OrderId, Order) {
        self.order.personal = None;
        (self.id, self.order)
    }

    /// Stores only that a call was made or answered: no event, no new revision.
    pub(crate) fn save_quietly(self, ctx: &mut Ctx<'_, '_>) -> Result<(), Halt> {
        payment::check_invariants(&self.order)?;
        relist(ctx, self.id, self.states_before, States::of(&self.order))?;
        ctx.tx.put::<Orders>(&self.id, &self.order)?;
        Ok(())
    }
}

/// Whether it stands in the payment work queue: those that are pending payment stand in the queue of their status.
fn in_work(order: &Order) -> bool {
    order.status != Status::PendingPayment && payment::has_work(order)
}

/// Remembers that the batch under `first_seq` is part of the order's history.
fn note(order: &mut Order, first_seq: u64) {
    if order.history.last() == Some(&first_seq) {
        return;
    }
    if order.history.len() >= MAX_HISTORY {
        order.history.remove(1);
    }
    order.history.push(first_seq);
}

pub(crate) fn not_found(id: OrderId) -> Rejection {
    Rejection::new(Code::NotFound, format!("there is no order {id}"))
}
