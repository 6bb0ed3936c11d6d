use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::codes::Code;
use crate::http::{Checks, Cursor, Limit, Sort, from_value, item, merge_patch};
use crate::ids::{ClientId, CustomerId};
use crate::private::Private;
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::user::http::check_address;
use crate::user::{
    Address, CreateCustomer, Customer, Filter, MAX_ADDRESSES, Personal, UpdateCustomer, normalize_email,
};

/// The body of `POST /store/v1/customers`; a merge patch of it is that of `PATCH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerInput {
    #[schema(value_type = String, format = "email", max_length = 254, example = "ada@example.com")]
    pub email: Private<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub name: Option<Private<String>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 32)]
    pub phone: Option<Private<String>>,
    /// The first is the default.
    #[serde(default)]
    #[schema(value_type = Vec<Address>, max_items = 20)]
    pub addresses: Private<Vec<Address>>,
}

impl CustomerInput {
    /// The command that creates it on behalf of this client.
    pub fn command(self, owner: Option<ClientId>) -> Result<CreateCustomer, Rejection> {
        Ok(CreateCustomer { owner, personal: self.personal()? })
    }

    fn personal(self) -> Result<Private<Personal>, Rejection> {
        let mut checks = Checks::new();
        let email = normalize_email(self.email.reveal());
        if let Err(error) = &email {
            checks.fail("/email", error.to_string());
        }
        let name = self.name.map(Private::into_inner);
        let phone = self.phone.map(Private::into_inner);
        checks.optional_line("/name", name.as_deref(), 1..=200);
        checks.optional_line("/phone", phone.as_deref(), 1..=32);
        let addresses = self.addresses.into_inner();
        checks.length("/addresses", addresses.len(), 0..=MAX_ADDRESSES, "addresses");
        for (at, address) in addresses.iter().enumerate() {
            check_address(&mut checks, &item("/addresses", at), address);
        }
        checks.finish()?;
        Ok(Private(Personal { email: email.unwrap_or_default(), name, phone, addresses }))
    }
}

/// The command that applies a merge patch (RFC 7396) to the customer that was read at this revision.
pub fn patch_customer(
    id: CustomerId,
    current: &Customer,
    client: Option<ClientId>,
    patch: Value,
) -> Result<UpdateCustomer, Rejection> {
    let Some(personal) = current.personal.as_ref().map(Private::reveal) else {
        return Err(Rejection::new(Code::Conflict, format!("customer {id} is erased")));
    };
    let before = CustomerInput {
        email: Private(personal.email.clone()),
        name: personal.name.clone().map(Private),
        phone: personal.phone.clone().map(Private),
        addresses: Private(personal.addresses.clone()),
    };
    let target = serde_json::to_value(&before).unwrap_or(Value::Null);
    let patched: CustomerInput = from_value(merge_patch(target, patch))?;
    Ok(UpdateCustomer { id, client, if_revision: current.revision, personal: patched.personal()? })
}

/// A customer as the API shows it; without personal data once it is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerView {
    pub id: CustomerId,
    /// The client that created it.
    pub client_id: Option<ClientId>,
    #[schema(value_type = Option<String>)]
    pub email: Option<Private<String>>,
    #[schema(value_type = Option<String>)]
    pub name: Option<Private<String>>,
    #[schema(value_type = Option<String>)]
    pub phone: Option<Private<String>>,
    #[schema(value_type = Vec<Address>)]
    pub addresses: Private<Vec<Address>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub erased_at: Option<Timestamp>,
    pub revision: u64,
}

impl CustomerView {
    /// The view of a customer.
    pub fn of(id: CustomerId, customer: &Customer) -> Self {
        let personal = customer.personal.as_ref().map(Private::reveal);
        let wrapped = |text: Option<&String>| text.cloned().map(Private);
        Self {
            id,
            client_id: customer.owner,
            email: wrapped(personal.map(|personal| &personal.email)),
            name: wrapped(personal.and_then(|personal| personal.name.as_ref())),
            phone: wrapped(personal.and_then(|personal| personal.phone.as_ref())),
            addresses: Private(personal.map_or_else(Vec::new, |personal| personal.addresses.clone())),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
            erased_at: customer.erased_at,
            revision: customer.revision,
        }
    }
}

/// The query of `GET /admin/v1/customers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CustomersQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Only with this mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    #[schema(value_type = Option<String>)]
    pub email: Option<Private<String>>,
    /// Only those that this client created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

impl CustomersQuery {
    /// What to ask of [`crate::user::customers`]: filter, `after`, limit.
    pub fn read(&self) -> Result<(Filter, Option<CustomerId>, usize), Rejection> {
        let email = self.email.as_ref().map(|email| normalize_email(email.reveal())).transpose();
        let filter = Filter {
            email: email
                .map_err(|error| Rejection::new(Code::InvalidParameter, format!("email: {error}")))?,
            owner: self.client_id,
            newest_first: self.sort.unwrap_or_default() == Sort::NewestFirst,
        };
        let after = self.cursor.as_ref().map(Cursor::key).transpose()?;
        Ok((filter, after, self.limit.unwrap_or_default().get()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CustomerInput, CustomerView, patch_customer};
    use crate::http::from_value;
    use crate::ids::CustomerId;
    use crate::testing::Bench;
    use crate::user::commands::fixtures::create_customer;
    use crate::user::customer;

    #[test]
    fn an_address_is_normalised() {
        let input: CustomerInput = from_value(json!({"email": " Ada@Example.com "})).unwrap();
        let command = input.command(None).unwrap();
        assert_eq!(command.personal.reveal().email, "ada@example.com");
        let input: CustomerInput = from_value(json!({"email": "ada", "name": "", "addresses": []})).unwrap();
        let pointers: Vec<String> =
            input.command(None).unwrap_err().errors.into_iter().map(|at| at.pointer).collect();
        assert_eq!(pointers, ["/email", "/name"]);
    }

    #[test]
    fn a_patch_keeps_the_rest() {
        let mut bench = Bench::new();
        let id: CustomerId = create_customer(&mut bench, None, "ada@example.com");
        let before = customer(&bench.view(), id, None).unwrap().unwrap();
        let command = patch_customer(id, &before, None, json!({"phone": "+49 30 1", "name": null})).unwrap();
        let personal = command.personal.reveal();
        assert_eq!((personal.email.as_str(), personal.name.as_deref()), ("ada@example.com", None));
        bench.ok(command);
        let view = CustomerView::of(id, &customer(&bench.view(), id, None).unwrap().unwrap());
        assert!(!format!("{view:?}").contains("+49"));
        assert_eq!(serde_json::to_value(&view).unwrap()["phone"], "+49 30 1");
    }
}
