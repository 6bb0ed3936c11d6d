//! Who there is: customers, API clients with their keys, and the keys that sign tokens.
//!
//! It owns identities and what they may do. It never sees a secret: the node makes them, and this slice keeps hashes and
//! sealed bytes. Guests are not here: an order knows their mail address.

mod address;
mod client;
pub(crate) mod commands;
mod customer;
mod email;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod outcome;
mod queries;
mod scopes;

pub use address::Address;
pub use client::{ApiKey, ApiKeys, Client, Clients, MAX_KEYS_PER_CLIENT, SigningKey, SigningKeys};
pub use commands::{
    AddSigningKey, Command, CreateApiKey, CreateClient, CreateCustomer, EraseCustomer, RetireSigningKey,
    RevokeApiKey, RevokeClient, UpdateCustomer,
};
pub use customer::{Customer, Customers, CustomersByEmail, CustomersByOwner, MAX_ADDRESSES, Personal};
pub use email::{MAX_EMAIL_BYTES, ParseEmailError, normalize_email};
pub use event::Event;
pub use outcome::Outcome;
pub use queries::{Filter, api_key, client, clients, customer, customers, signing_keys};
pub use scopes::{ParseScopesError, Scope, Scopes};
