//! Customers: who an order is for, when it is more than a mail address.

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, CustomerId};
use crate::private::Private;
use crate::table;
use crate::tables::Present;
use crate::time::Timestamp;
use crate::user::Address;

table!(
    /// Customers.
    Customers, CUSTOMERS, CustomerId => Customer
);

table!(
    /// Customers by normalised mail address and owner: an address is unique for each owner, so that no client learns
    /// of another one's customers.
    CustomersByEmail, CUSTOMERS_BY_EMAIL, (String, Option<ClientId>) => CustomerId
);

table!(
    /// Customers by owner, in the order of their creation.
    CustomersByOwner, CUSTOMERS_BY_OWNER, (Option<ClientId>, CustomerId) => Present
);

/// A customer. All that is personal is in one field, so that erasing is setting it to `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The client that created the customer and may read and change it; `None`: only the shop's staff may.
    pub owner: Option<ClientId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Set once the customer was erased; then `personal` is `None`.
    pub erased_at: Option<Timestamp>,
    /// Counts the changes from 1.
    pub revision: u64,
    pub personal: Option<Private<Personal>>,
}

storage::versioned!(Customer, 1);

/// The personal data of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Normalised before it is proposed: see `user::http`.
    pub email: String,
    pub name: Option<String>,
    pub phone: Option<String>,
    /// At most [`MAX_ADDRESSES`]; the first is the default.
    pub addresses: Vec<Address>,
}

/// The most addresses that a customer has.
pub const MAX_ADDRESSES: usize = 20;
