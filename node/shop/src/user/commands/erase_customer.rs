use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{ClientId, CustomerId, OrderId};
use crate::order::{self, OrdersByCustomer};
use crate::rejection::Halt;
use crate::user::commands::update_customer::owned;
use crate::user::{Customers, CustomersByEmail, Event, Outcome};

/// How many orders one command erases: each writes a few keys.
const ORDERS_AT_ONCE: usize = 100;

/// Erases a customer's personal data, also in their orders: gone from the state at once. Record and orders stay without
/// it. Erasing again is no change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseCustomer {
    pub id: CustomerId,
    /// The client on whose behalf it comes: others' customers are `not_found`. `None`: staff, who may erase any.
    pub client: Option<ClientId>,
    /// The `next` of the command before; `None` for the first.
    pub orders_after: Option<OrderId>,
}

impl Execute for EraseCustomer {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let mut customer = owned(ctx, self.id, self.client)?;
        let owner = customer.owner;
        if let Some(personal) = customer.personal.take() {
            ctx.tx.delete::<CustomersByEmail>(&(personal.into_inner().email, owner))?;
            customer.erased_at = Some(ctx.now);
            customer.updated_at = ctx.now;
            customer.revision += 1;
            ctx.tx.put::<Customers>(&self.id, &customer)?;
            ctx.emit(crate::Event::User(Event::CustomerErased { customer: self.id }));
        }
        let mut orders = self.orders_of(ctx, owner)?;
        if owner.is_some() {
            // Those that staff placed for a client's customer.
            orders.extend(self.orders_of(ctx, None)?);
        }
        orders.sort_unstable();
        let more = orders.len() > ORDERS_AT_ONCE;
        orders.truncate(ORDERS_AT_ONCE);
        for id in &orders {
            order::erase(ctx, *id)?;
        }
        Ok(Outcome::Erased { next: orders.last().copied().filter(|_| more) }.into())
    }
}

impl EraseCustomer {
    /// One more than are erased at once, to know whether there are more.
    fn orders_of(&self, ctx: &Ctx<'_, '_>, placed_by: Option<ClientId>) -> Result<Vec<OrderId>, Halt> {
        let customer = Some(self.id);
        let mut span = Span::<OrdersByCustomer>::prefix(&(placed_by, customer));
        if let Some(after) = self.orders_after {
            span = span.resume_after(&(placed_by, customer, after));
        }
        let rows = ctx.tx.scan::<OrdersByCustomer>(span).take(ORDERS_AT_ONCE + 1);
        Ok(rows.map(|row| row.map(|((_, _, order), _)| order)).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use storage::{ReadBytes, Span};

    use super::EraseCustomer;
    use crate::testing::Bench;
    use crate::user::commands::fixtures::create_customer;
    use crate::user::{CustomersByEmail, customer};

    #[test]
    fn nothing_personal_stays() {
        use storage::Read;
        let mut bench = Bench::new();
        let id = create_customer(&mut bench, None, "ada@example.com");
        bench.ok(EraseCustomer { id, client: None, orders_after: None });
        let stub = customer(&bench.view(), id, None).unwrap().unwrap();
        assert!(stub.personal.is_none() && stub.erased_at.is_some() && stub.revision == 2);
        assert_eq!(bench.view().scan::<CustomersByEmail>(Span::all()).count(), 0);
        let everything = storage::KeyRange { start: vec![0], end: None };
        for record in bench.view().scan_bytes(everything, storage::Direction::Forward) {
            let (key, value) = record.unwrap();
            let text = [&key[..], &value[..]].concat();
            assert!(!text.windows(3).any(|window| window == b"ada" || window == b"Ada"), "{key:?}");
        }
        let before = bench.store.digest();
        bench.ok(EraseCustomer { id, client: None, orders_after: None });
        assert_eq!(before, bench.store.digest());
        create_customer(&mut bench, None, "ada@example.com");
    }

    #[test]
    fn their_orders_are_erased_in_steps() {
        use crate::order::testing::{Desk, lines};
        use crate::user::Outcome;
        let mut desk = Desk::new();
        let id = create_customer(&mut desk.bench, None, "ada@example.com");
        let orders: Vec<_> = (0..super::ORDERS_AT_ONCE + 3)
            .map(|_| desk.place(crate::order::PlaceOrder { customer: Some(id), ..lines(&[("CUP-1", 1)]) }))
            .collect();
        let other = desk.place(lines(&[("CUP-1", 1)]));
        let outcome = desk.bench.ok(EraseCustomer { id, client: None, orders_after: None });
        let next = orders[super::ORDERS_AT_ONCE - 1];
        assert_eq!(outcome, Outcome::Erased { next: Some(next) }.into());
        assert!(desk.order(*orders.last().unwrap()).personal.is_some());
        let outcome = desk.bench.ok(EraseCustomer { id, client: None, orders_after: Some(next) });
        assert_eq!(outcome, Outcome::Erased { next: None }.into());
        assert!(orders.iter().all(|order| desk.order(*order).personal.is_none()));
        assert!(desk.order(other).personal.is_some(), "a guest's order is nobody's");
    }
}
