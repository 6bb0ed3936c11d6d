//! Customers and API clients in the HTTP API.

mod address;
mod client;
mod customer;

pub use address::check_address;
pub use client::{
    ApiKeyCreated, ApiKeyInput, ApiKeyView, ClientCreated, ClientInput, ClientView, ClientsQuery,
    check_may_grant,
};
pub use customer::{CustomerInput, CustomerView, CustomersQuery, patch_customer};
