use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{ClientId, CustomerId};
use crate::private::Private;
use crate::rejection::{Halt, Rejection};
use crate::user::{Customer, Customers, CustomersByEmail, Event, Outcome, Personal};

/// Replaces a customer's personal data with the result of a merge patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCustomer {
    pub id: CustomerId,
    /// The client on whose behalf it comes: others' customers are `not_found`. `None`: staff, who may change any.
    pub client: Option<ClientId>,
    /// The revision that the patch was applied to: refused with `precondition_failed` if it is not the current one.
    pub if_revision: u64,
    pub personal: Private<Personal>,
}

impl Execute for UpdateCustomer {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let mut customer = owned(ctx, self.id, self.client)?;
        let Some(before) = customer.personal.take() else {
            return Err(Rejection::new(Code::Conflict, format!("customer {} is erased", self.id)).into());
        };
        if customer.revision != self.if_revision {
            let detail = format!("customer {} is at revision {}", self.id, customer.revision);
            return Err(Rejection::new(Code::PreconditionFailed, detail).into());
        }
        if before == self.personal {
            return Ok(Outcome::Customer { id: self.id, revision: customer.revision }.into());
        }
        let (old, new) = (&before.reveal().email, &self.personal.reveal().email);
        if old != new {
            let key = (new.clone(), customer.owner);
            if ctx.tx.contains::<CustomersByEmail>(&key)? {
                let detail = "there is a customer with this address";
                return Err(Rejection::at(Code::AlreadyExists, "/email", detail).into());
            }
            ctx.tx.delete::<CustomersByEmail>(&(old.clone(), customer.owner))?;
            ctx.tx.put::<CustomersByEmail>(&key, &self.id)?;
        }
        customer.personal = Some(self.personal.clone());
        customer.updated_at = ctx.now;
        customer.revision += 1;
        ctx.tx.put::<Customers>(&self.id, &customer)?;
        let revision = customer.revision;
        ctx.emit(crate::Event::User(Event::CustomerUpdated { customer: self.id, revision }));
        Ok(Outcome::Customer { id: self.id, revision }.into())
    }
}

/// The customer, if this client may touch it.
pub(super) fn owned(ctx: &Ctx<'_, '_>, id: CustomerId, client: Option<ClientId>) -> Result<Customer, Halt> {
    let customer = ctx.tx.get::<Customers>(&id)?;
    let visible = customer.filter(|customer| client.is_none() || customer.owner == client);
    visible.ok_or_else(|| Rejection::new(Code::NotFound, format!("there is no customer {id}")).into())
}

#[cfg(test)]
mod tests {
    use super::UpdateCustomer;
    use crate::testing::Bench;
    use crate::user::commands::fixtures::{create_client, create_customer, personal};
    use crate::user::{Filter, Scopes, customers};

    #[test]
    fn a_new_address_is_found_and_the_old_one_is_free() {
        let mut bench = Bench::new();
        let id = create_customer(&mut bench, None, "ada@example.com");
        bench.ok(UpdateCustomer { id, client: None, if_revision: 1, personal: personal("ada@new.example") });
        let by = |email: &str| Filter { email: Some(email.into()), ..Filter::default() };
        assert!(customers(&bench.view(), &by("ada@example.com"), None, 9).unwrap().items.is_empty());
        assert_eq!(customers(&bench.view(), &by("ada@new.example"), None, 9).unwrap().items[0].0, id);
        create_customer(&mut bench, None, "ada@example.com");
        let taken = UpdateCustomer { id, client: None, if_revision: 2, personal: personal("ada@example.com") };
        assert_eq!(bench.refused(taken).code.as_str(), "already_exists");
    }

    #[test]
    fn only_the_owner_and_staff_may() {
        let mut bench = Bench::new();
        let owner = Some(create_client(&mut bench, Scopes::EVERY));
        let other = Some(create_client(&mut bench, Scopes::EVERY));
        let id = create_customer(&mut bench, owner, "ada@example.com");
        let by = |client, if_revision| UpdateCustomer { id, client, if_revision, personal: personal("a@b.c") };
        assert_eq!(bench.refused(by(other, 1)).code.as_str(), "not_found");
        assert_eq!(bench.refused(by(owner, 7)).code.as_str(), "precondition_failed");
        bench.ok(by(owner, 1));
        bench.ok(by(None, 2));
        assert_eq!(bench.event_kinds().len(), 4, "the same data again is no event");
    }
}
