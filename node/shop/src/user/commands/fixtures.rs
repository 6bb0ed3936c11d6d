//! Customers and clients that tests begin with.

use crate::ids::{ApiKeyId, ClientId, CustomerId};
use crate::private::Private;
use crate::testing::Bench;
use crate::user::{CreateApiKey, CreateClient, CreateCustomer, Outcome, Personal, Scopes};

/// A customer's personal data.
pub fn personal(email: &str) -> Private<Personal> {
    Private(Personal { email: email.into(), name: Some("Ada".into()), phone: None, addresses: Vec::new() })
}

/// Creates a customer.
pub fn create_customer(bench: &mut Bench, owner: Option<ClientId>, email: &str) -> CustomerId {
    match bench.ok(CreateCustomer { owner, personal: personal(email) }) {
        crate::Outcome::User(Outcome::Customer { id, revision: 1 }) => id,
        other => panic!("{other:?}"),
    }
}

/// Creates a client.
pub fn create_client(bench: &mut Bench, scopes: Scopes) -> ClientId {
    match bench.ok(CreateClient { name: "storefront".into(), scopes, secret_hash: "$argon2id$x".into() }) {
        crate::Outcome::User(Outcome::Client { id }) => id,
        other => panic!("{other:?}"),
    }
}

/// Creates a key of that client with these scopes.
pub fn create_key(bench: &mut Bench, client: Option<ClientId>, scopes: Scopes) -> ApiKeyId {
    let command = CreateApiKey { name: "k".into(), client, secret_sha256: [7; 32], scopes, expires_at: None };
    match bench.ok(command) {
        crate::Outcome::User(Outcome::ApiKey { id }) => id,
        other => panic!("{other:?}"),
    }
}
