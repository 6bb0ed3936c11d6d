use shop::ids::{ApiKeyId, ClientId, CustomerId, OrderId};
use shop::user::{
    AddSigningKey, Address, ApiKey, Client, Command, CreateApiKey, CreateClient, CreateCustomer, Customer,
    EraseCustomer, Event, Outcome, Personal, RetireSigningKey, RevokeApiKey, RevokeClient, Scope, Scopes,
    SigningKey, UpdateCustomer,
};
use shop::{Private, Timestamp};

use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const CUSTOMER: CustomerId = CustomerId([1; 16]);
const CLIENT: ClientId = ClientId([2; 16]);
const KEY: ApiKeyId = ApiKeyId([3; 16]);

fn personal() -> Private<Personal> {
    let address = Address {
        name: "Ada".into(),
        line1: "1 Main St".into(),
        line2: None,
        city: "Berlin".into(),
        region: Some("BE".into()),
        postal_code: Some("10115".into()),
        country: "DE".into(),
        phone: None,
    };
    Private(Personal {
        email: "ada@example.com".into(),
        name: Some("Ada".into()),
        phone: Some("+49 30 1".into()),
        addresses: vec![address],
    })
}

#[test]
fn user() {
    let scopes = Scopes::of(&[Scope::OrdersPlace, Scope::CatalogRead]);
    let customer = Customer {
        owner: Some(CLIENT),
        created_at: AT,
        updated_at: AT,
        erased_at: None,
        revision: 1,
        personal: Some(personal()),
    };
    let erased = Customer { erased_at: Some(AT), personal: None, ..customer.clone() };
    let client = Client {
        name: "storefront".into(),
        scopes,
        secret_hash: "$argon2id$x".into(),
        keys: vec![KEY],
        created_at: AT,
        revoked_at: None,
    };
    let key = ApiKey {
        name: "nightly".into(),
        client: Some(CLIENT),
        secret_sha256: [4; 32],
        scopes,
        created_at: AT,
        expires_at: Some(AT.plus_millis(1)),
        revoked_at: Some(AT),
    };
    let signing = SigningKey {
        public_key: [5; 32],
        sealed_private_key: vec![6; 3],
        created_at: AT,
        retired_at: Some(AT),
    };
    let order = OrderId(sixteen(7));
    let golden = vec![
        command(CreateCustomer { owner: Some(CLIENT), personal: personal() }),
        command(UpdateCustomer { id: CUSTOMER, client: None, if_revision: 7, personal: personal() }),
        command(EraseCustomer { id: CUSTOMER, client: Some(CLIENT), orders_after: Some(order) }),
        command(CreateClient { name: "storefront".into(), scopes, secret_hash: "$argon2id$x".into() }),
        command(RevokeClient { id: CLIENT }),
        command(CreateApiKey {
            name: "nightly".into(),
            client: Some(CLIENT),
            secret_sha256: [4; 32],
            scopes: Scopes::EVERY,
            expires_at: Some(AT),
        }),
        command(RevokeApiKey { id: KEY }),
        command(AddSigningKey { key_id: "k1".into(), public_key: [5; 32], sealed_private_key: vec![6; 3] }),
        command(RetireSigningKey { key_id: "k1".into() }),
        event(shop::Event::User(Event::CustomerCreated { customer: CUSTOMER })),
        event(shop::Event::User(Event::CustomerUpdated { customer: CUSTOMER, revision: 2 })),
        event(shop::Event::User(Event::CustomerErased { customer: CUSTOMER })),
        event(shop::Event::User(Event::ClientCreated { client: CLIENT })),
        event(shop::Event::User(Event::ClientRevoked { client: CLIENT })),
        event(shop::Event::User(Event::ApiKeyCreated { key: KEY, client: Some(CLIENT) })),
        event(shop::Event::User(Event::ApiKeyRevoked { key: KEY, client: None })),
        part("outcome customer", &shop::Outcome::from(Outcome::Customer { id: CUSTOMER, revision: 2 })),
        part("outcome client", &shop::Outcome::from(Outcome::Client { id: CLIENT })),
        part("outcome key", &shop::Outcome::from(Outcome::ApiKey { id: KEY })),
        part("outcome erased", &shop::Outcome::from(Outcome::Erased { next: Some(order) })),
        value("Customer", &customer),
        value("Customer erased", &erased),
        value("Client", &client),
        value("ApiKey", &key),
        value("SigningKey", &signing),
    ];
    check("user", Command::NAMES, golden);
}
