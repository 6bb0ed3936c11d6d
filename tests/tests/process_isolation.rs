//! One client can read or change nothing of another's, and no guest anything of another guest's. Every route of the
//! OpenAPI document is walked, with a request that its owner could send; one that this test does not know is a failure,
//! so that a new route cannot be forgotten. That the requests are good is shown by the owner, who sends them last.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shopnode_tests::{Api, Dev, api, orders};

/// Who may use a route, and what all others get.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    /// Anybody: public by nature.
    Public,
    /// Any client, of whose own things it tells; 401 without credentials.
    OwnList,
    /// The client that owns it, or the guest who has its token; all others get 404, as if it were not there.
    Owner,
    /// The client that owns it; other clients get 404, guests 401.
    Client,
    /// Whoever holds the staff scope; a shopper's client gets 403, guests 401.
    Staff,
}

/// What no stranger may be told.
const PERSONAL: &str = "grace@example.com";

const PLACE: &str = r#"{
    "email": "mallory@example.com",
    "shipping_address": {"name": "M", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"},
    "payment": {"provider": "manual"}
}"#;

/// Every route but those of staff, by method and template, with a body that its owner could send. In this order an owner
/// can send them all.
const ROUTES: &[(&str, &str, Who, &str)] = &[
    ("GET", "/livez", Who::Public, ""),
    ("GET", "/readyz", Who::Public, ""),
    ("GET", "/metrics", Who::Public, ""),
    ("GET", "/openapi.json", Who::Public, ""),
    ("GET", "/errors/{code}", Who::Public, ""),
    ("GET", "/.well-known/jwks.json", Who::Public, ""),
    ("GET", "/.well-known/oauth-authorization-server", Who::Public, ""),
    ("POST", "/oauth/token", Who::Public, ""),
    ("POST", "/hooks/stripe", Who::Public, ""),
    ("POST", "/hooks/sandbox", Who::Public, ""),
    ("GET", "/store/v1/products", Who::Public, ""),
    ("GET", "/store/v1/products/{id_or_slug}", Who::Public, ""),
    ("GET", "/store/v1/categories", Who::Public, ""),
    ("GET", "/store/v1/images/{hash}", Who::Public, ""),
    ("GET", "/store/v1/availability", Who::Public, ""),
    ("POST", "/store/v1/orders", Who::Public, ""),
    ("POST", "/store/v1/carts", Who::Public, ""),
    ("POST", "/store/v1/customers", Who::Public, ""),
    ("GET", "/store/v1/orders", Who::OwnList, ""),
    ("GET", "/store/v1/orders/{id}", Who::Owner, ""),
    ("POST", "/store/v1/orders/{id}/payment-attempts", Who::Owner, r#"{"provider": "manual"}"#),
    ("POST", "/store/v1/orders/{id}/cancel", Who::Owner, "{}"),
    ("GET", "/store/v1/carts/{id}", Who::Owner, ""),
    ("PATCH", "/store/v1/carts/{id}/items/{item}", Who::Owner, r#"{"quantity": 7}"#),
    ("POST", "/store/v1/carts/{id}/items", Who::Owner, r#"{"sku": "TEA-1", "quantity": 7}"#),
    ("DELETE", "/store/v1/carts/{id}/items/{item}", Who::Owner, ""),
    ("PATCH", "/store/v1/carts/{id}", Who::Owner, r#"{"items": [{"sku": "TEA-1", "quantity": 7}]}"#),
    ("POST", "/store/v1/carts/{id}/place", Who::Owner, PLACE),
    ("GET", "/store/v1/customers/{id}", Who::Client, ""),
    ("PATCH", "/store/v1/customers/{id}", Who::Client, r#"{"name": "Mallory"}"#),
    ("DELETE", "/store/v1/customers/{id}", Who::Client, ""),
];

/// Somebody who calls: with credentials, or as a guest with the tokens of an order and a cart.
struct Visitor {
    name: &'static str,
    api: Api,
    is_guest: bool,
    order_token: Option<String>,
    cart_token: Option<String>,
}

impl Visitor {
    fn client(name: &'static str, api: Api) -> Self {
        Self { name, api, is_guest: false, order_token: None, cart_token: None }
    }

    fn guest(name: &'static str, api: Api) -> Self {
        Self { name, api, is_guest: true, order_token: None, cart_token: None }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<RequestBuilder> {
        let mut request = self
            .api
            .request(Method::from_bytes(method.as_bytes())?, path)
            .header("Idempotency-Key", api::fresh_key());
        let tokens = [("Shopnode-Order-Token", &self.order_token), ("Shopnode-Cart-Token", &self.cart_token)];
        for (name, token) in tokens {
            if let Some(token) = token {
                request = request.header(name, token);
            }
        }
        Ok(match body {
            "" => request,
            body => request.header("Content-Type", "application/json").body(body.to_owned()),
        })
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Result<api::Answer> {
        api::answer(self.request(method, path, body)?).await
    }

    /// Makes one of everything, and keeps the tokens that a guest gets. Nothing of it is paid, so that nothing goes on
    /// with it in the background.
    async fn acquire(&mut self, email: &str) -> Result<Property> {
        let mut order = orders::order("TEA-1", 1, "manual", "");
        order.as_object_mut().context("an order")?.remove("payment");
        order["email"] = email.into();
        let order = self.send("POST", "/store/v1/orders", &order.to_string()).await?.expect(201)?;
        let cart = json!({"currency": "EUR", "items": [{"sku": "TEA-1", "quantity": 1}]});
        let cart = self.send("POST", "/store/v1/carts", &cart.to_string()).await?.expect(201)?;
        let customer = json!({"email": email, "name": "Grace"});
        let customer = self.send("POST", "/store/v1/customers", &customer.to_string()).await?.expect(201)?;
        if self.is_guest {
            self.order_token = Some(text(&order["order_token"])?);
            self.cart_token = Some(text(&cart["cart_token"])?);
        }
        Ok(Property {
            order: text(&order["id"])?,
            cart: text(&cart["id"])?,
            item: text(&cart["items"][0]["id"])?,
            customer: text(&customer["id"])?,
        })
    }
}

/// What somebody owns, by id.
struct Property {
    order: String,
    cart: String,
    item: String,
    customer: String,
}

impl Property {
    /// The path that a template stands for, with the owner's ids in it.
    fn path(&self, template: &str) -> String {
        let mut noun = "";
        let parts = template.split('/').map(|part| {
            let is_id = part.starts_with('{');
            let value: &str = match std::mem::replace(&mut noun, part) {
                "orders" if is_id => &self.order,
                "carts" if is_id => &self.cart,
                "items" if is_id => &self.item,
                "customers" if is_id => &self.customer,
                _ if is_id => "none",
                _ => part,
            };
            value.to_owned()
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn is_named_in(&self, text: &str) -> bool {
        [&self.order, &self.cart, &self.customer].into_iter().any(|id| text.contains(id.as_str()))
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

/// A client with a shopper's scopes: by an access token, and by a key of its own.
async fn client(admin: &Api, name: &str) -> Result<[Api; 2]> {
    let scopes = ["orders:place", "customers:read", "customers:write"];
    let about = json!({"name": name, "scopes": scopes});
    let made = admin.post("/admin/v1/clients", &about).await?.expect(201)?;
    let (id, secret) = (text(&made["client_id"])?, text(&made["client_secret"])?);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
    ];
    let asked = admin.with_token(None).request(Method::POST, "/oauth/token").form(&form);
    let token = text(&api::answer(asked).await?.expect(200)?["access_token"])?;
    let key = admin.post(&format!("/admin/v1/clients/{id}/keys"), &about).await?.expect(201)?;
    Ok([admin.with_token(Some(&token)), admin.with_token(Some(&text(&key["key"])?))])
}

/// Every route of the document, staff's included, with its body.
async fn routes(guest: &Api) -> Result<Vec<(String, String, Who, &'static str)>> {
    let document = guest.get("/openapi.json").await?.expect(200)?;
    let mut documented = BTreeSet::new();
    for (template, operations) in document["paths"].as_object().context("paths")? {
        let methods = operations.as_object().context("operations")?.keys();
        documented.extend(
            methods.filter(|name| *name != "parameters").map(|name| (name.to_uppercase(), template.clone())),
        );
    }
    let mut routes = Vec::new();
    for (method, template, who, body) in ROUTES {
        let route = (method.to_string(), template.to_string());
        assert!(documented.remove(&route), "{method} {template}: not in the document");
        routes.push((route.0, route.1, *who, *body));
    }
    for (method, template) in documented {
        assert!(template.starts_with("/admin/v1/"), "{method} {template}: not in this test");
        // Who calls is found out before the body is read.
        let body = if matches!(method.as_str(), "GET" | "DELETE") { "" } else { "{}" };
        routes.push((method, template, Who::Staff, body));
    }
    assert!(routes.len() > 70, "the document lists only {} routes", routes.len());
    Ok(routes)
}

#[tokio::test]
async fn a_stranger_reads_and_changes_nothing() -> Result<()> {
    // Guests of one address have one limit, and this test is many of them.
    let dev = Dev::empty_with(&[("SHOPNODE_RATE_LIMIT__ENABLED", "false")]).await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;
    let [by_token, _] = client(&admin, "owner").await?;
    let [stranger, stranger_by_key] = client(&admin, "stranger").await?;
    let mut owners = [Visitor::client("the owner", by_token), Visitor::guest("a guest", dev.guest())];
    let mut properties = Vec::new();
    for owner in &mut owners {
        properties.push(owner.acquire(PERSONAL).await?);
    }
    let mut other_guest = Visitor::guest("a guest with tokens of their own", dev.guest());
    let of_other_guest = other_guest.acquire("mallory@example.com").await?;
    let strangers = [
        Visitor::guest("nobody", dev.guest()),
        other_guest,
        Visitor::client("a client", stranger),
        Visitor::client("a client by its key", stranger_by_key),
    ];
    let routes = routes(&dev.guest()).await?;
    let before = orders::digests_at_rest(&admin).await?;

    let mut wrong = Vec::new();
    for property in &properties {
        for (method, template, who, body) in &routes {
            let (to_guest, to_client) = match who {
                Who::Public => continue,
                Who::OwnList => (401, 200),
                Who::Owner => (404, 404),
                Who::Client => (401, 404),
                Who::Staff => (401, 403),
            };
            let path = property.path(template);
            for visitor in &strangers {
                let answer = visitor.send(method, &path, body).await?;
                let wanted = if visitor.is_guest { to_guest } else { to_client };
                let tells = property.is_named_in(&answer.text) && answer.status == 200;
                if answer.status != wanted || tells || answer.text.contains(PERSONAL) {
                    let (name, status) = (visitor.name, answer.status);
                    wrong.push(format!("{method} {path}: {name} gets {status}: {}", answer.text));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // An order is for one of one's own customers.
    let own_cart = format!("/store/v1/carts/{}/place", of_other_guest.cart);
    let pairs =
        properties.iter().flat_map(|property| strangers.iter().map(move |visitor| (property, visitor)));
    for (property, visitor) in pairs {
        let foreign = &property.customer;
        let mut order = orders::order("TEA-1", 1, "manual", "");
        order["customer_id"] = foreign.as_str().into();
        let mut place: Value = serde_json::from_str(PLACE)?;
        place["customer_id"] = foreign.as_str().into();
        let mut answers = vec![visitor.send("POST", "/store/v1/orders", &order.to_string()).await?];
        if visitor.cart_token.is_some() {
            answers.push(visitor.send("POST", &own_cart, &place.to_string()).await?);
        }
        for answer in answers {
            let told = answer.json();
            let refusal = (answer.status, &told["errors"][0]["pointer"]);
            assert_eq!(refusal, (404, &json!("/customer_id")), "{}: {told:#}", visitor.name);
        }
        if !visitor.is_guest {
            let path = format!("/store/v1/orders?customer_id={foreign}");
            let list = visitor.send("GET", &path, "").await?.expect(200)?;
            assert_eq!(list["data"], json!([]), "{}: {list:#}", visitor.name);
        }
    }
    assert_eq!(orders::shop_digests(&admin).await?, before, "what was refused has changed the shop");

    // The very same requests are good: their owners may send them.
    for (owner, property) in owners.iter().zip(&properties) {
        for (method, template, who, body) in &routes {
            if *who == Who::Owner || (*who == Who::Client && !owner.is_guest) {
                let path = property.path(template);
                let answer = owner.send(method, &path, body).await?;
                let (name, status) = (owner.name, answer.status);
                assert!(
                    (200..300).contains(&status),
                    "{method} {path}: {name} gets {status}: {}",
                    answer.text
                );
            }
        }
    }
    assert_ne!(orders::shop_digests(&admin).await?, before, "the digests see no change");
    Ok(())
}
