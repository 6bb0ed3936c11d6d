use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{ClientId, CustomerId};
use crate::private::Private;
use crate::rejection::{Halt, Rejection};
use crate::tables::Present;
use crate::user::{Customer, Customers, CustomersByEmail, CustomersByOwner, Event, Outcome, Personal};

/// Adds a customer. Refused with `already_exists` if this owner has one with the same mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateCustomer {
    /// The client on whose behalf it comes; `None`: staff.
    pub owner: Option<ClientId>,
    pub personal: Private<Personal>,
}

impl Execute for CreateCustomer {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let by_email = (self.personal.reveal().email.clone(), self.owner);
        if ctx.tx.contains::<CustomersByEmail>(&by_email)? {
            let rejection = Rejection::at(Code::AlreadyExists, "/email", "there is a customer with this address");
            return Err(rejection.into());
        }
        let id = CustomerId::fresh(&mut ctx.ids);
        let customer = Customer {
            owner: self.owner,
            created_at: ctx.now,
            updated_at: ctx.now,
            erased_at: None,
            revision: 1,
            personal: Some(self.personal.clone()),
        };
        ctx.tx.insert::<Customers>(&id, &customer)?;
        ctx.tx.put::<CustomersByEmail>(&by_email, &id)?;
        ctx.tx.insert::<CustomersByOwner>(&(self.owner, id), &Present)?;
        ctx.emit(crate::Event::User(Event::CustomerCreated { customer: id }));
        Ok(Outcome::Customer { id, revision: 1 }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::CreateCustomer;
    use crate::testing::Bench;
    use crate::user::Scopes;
    use crate::user::commands::fixtures::{create_client, create_customer, personal};

    #[test]
    fn an_address_is_unique_for_each_owner() {
        let mut bench = Bench::new();
        let client = Some(create_client(&mut bench, Scopes::EVERY));
        let first = create_customer(&mut bench, client, "ada@example.com");
        let second = create_customer(&mut bench, None, "ada@example.com");
        assert_ne!(first, second);
        let again = CreateCustomer { owner: client, personal: personal("ada@example.com") };
        assert_eq!(bench.refused(again).errors[0].pointer, "/email");
    }

    #[test]
    fn a_command_shows_nothing_personal() {
        let command = CreateCustomer { owner: None, personal: personal("ada@example.com") };
        assert!(!format!("{command:?}").contains("ada"));
    }
}
