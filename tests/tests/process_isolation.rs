//! One client can read or change nothing of another's. Every route of the OpenAPI document is walked; one that this
//! test does not know is a failure, so that a new route cannot be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use shopnode_tests::{Api, Dev, api, orders};

/// What a stranger with the shopper's scopes gets, and what somebody without credentials gets.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    /// Anybody: public by nature.
    Public,
    /// The owner alone; a stranger gets 404, as if it were not there.
    Owner,
    /// Whoever holds the staff scope; a shopper's client gets 403.
    Staff,
}

/// Every route, by method and template.
const ROUTES: &[(&str, &str, Who)] = &[
    ("GET", "/livez", Who::Public),
    ("GET", "/readyz", Who::Public),
    ("GET", "/metrics", Who::Public),
    ("GET", "/openapi.json", Who::Public),
    ("GET", "/errors/{code}", Who::Public),
    ("GET", "/.well-known/jwks.json", Who::Public),
    ("GET", "/.well-known/oauth-authorization-server", Who::Public),
    ("POST", "/oauth/token", Who::Public),
    ("POST", "/hooks/stripe", Who::Public),
    ("POST", "/hooks/sandbox", Who::Public),
    ("GET", "/store/v1/products", Who::Public),
    ("GET", "/store/v1/products/{id}", Who::Public),
    ("GET", "/store/v1/categories", Who::Public),
    ("GET", "/store/v1/availability", Who::Public),
    ("POST", "/store/v1/orders", Who::Public),
    ("POST", "/store/v1/carts", Who::Public),
    ("POST", "/store/v1/customers", Who::Public),
];

async fn client(admin: &Api, name: &str) -> Result<Api> {
    let scopes = ["orders:place", "customers:read", "customers:write"];
    let made =
        admin.post("/admin/v1/clients", &json!({"name": name, "scopes": scopes})).await?.expect(201)?;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", made["client_id"].as_str().context("client_id")?),
        ("client_secret", made["client_secret"].as_str().context("client_secret")?),
    ];
    let token = api::answer(admin.with_token(None).request(Method::POST, "/oauth/token").form(&form))
        .await?
        .expect(200)?;
    Ok(admin.with_token(Some(token["access_token"].as_str().context("access_token")?)))
}

/// What the first client owns, by the name of the path parameter that leads to it.
struct Property {
    ids: BTreeMap<&'static str, String>,
}

impl Property {
    /// The path with the owner's ids in it.
    fn path(&self, template: &str) -> String {
        let noun = |template: &str| {
            ["carts", "orders", "customers", "products", "payments", "clients", "keys", "jobs", "topics"]
                .into_iter()
                .find(|noun| template.contains(&format!("/{noun}/")))
                .unwrap_or("")
        };
        let id = self.ids.get(noun(template)).cloned().unwrap_or_else(|| "none".to_owned());
        let mut path = String::new();
        let mut first = true;
        for part in template.split('/').skip(1) {
            path.push('/');
            if part.starts_with('{') {
                let value =
                    if first { id.clone() } else { self.ids.get("items").cloned().unwrap_or_default() };
                path.push_str(&value);
                first = false;
            } else {
                path.push_str(part);
            }
        }
        path
    }
}

#[tokio::test]
async fn a_stranger_reads_and_changes_nothing() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;
    let (owner, stranger) = (client(&admin, "owner").await?, client(&admin, "stranger").await?);

    let order =
        owner.post("/store/v1/orders", &orders::order("TEA-1", 1, "manual", "invoice")).await?.expect(201)?;
    let cart = owner.post("/store/v1/carts", &json!({"currency": "EUR"})).await?.expect(201)?;
    let cart_id = cart["id"].as_str().context("id")?.to_owned();
    let filled = owner
        .post(&format!("/store/v1/carts/{cart_id}/items"), &json!({"sku": "TEA-1", "quantity": 1}))
        .await?;
    let filled = filled.json();
    let customer = owner
        .post("/store/v1/customers", &json!({"email": "grace@example.com", "name": "Grace"}))
        .await?
        .expect(201)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let property = Property {
        ids: BTreeMap::from([
            ("orders", text(&order["id"])),
            ("carts", cart_id),
            ("items", text(&filled["items"][0]["id"])),
            ("customers", text(&customer["id"])),
            ("payments", text(&order["payment_attempt"]["id"])),
        ]),
    };

    let document = dev.guest().get("/openapi.json").await?.expect(200)?;
    let public: BTreeSet<(&str, &str)> = ROUTES.iter().map(|(method, path, _)| (*method, *path)).collect();
    let mut walked = 0;
    let mut wrong = Vec::new();
    for (template, operations) in document["paths"].as_object().context("paths")? {
        for method in
            operations.as_object().context("operations")?.keys().filter(|name| *name != "parameters")
        {
            let method_name = method.to_uppercase();
            let normal = template.replace("{id_or_slug}", "{id}");
            let who = if public.contains(&(method_name.as_str(), normal.as_str())) {
                Who::Public
            } else if template.starts_with("/admin/v1/") {
                Who::Staff
            } else if template.starts_with("/store/v1/") {
                Who::Owner
            } else {
                wrong.push(format!("{method_name} {template}: a route that this test does not cover"));
                continue;
            };
            walked += 1;
            if who == Who::Public {
                continue;
            }
            let path = property.path(template);
            let call = |api: &Api| {
                let request = api
                    .request(Method::from_bytes(method_name.as_bytes()).unwrap_or(Method::GET), &path)
                    .header("Idempotency-Key", api::fresh_key())
                    .header("If-Match", "*");
                if method_name == "GET" || method_name == "DELETE" {
                    request
                } else {
                    request.json(&json!({}))
                }
            };
            let (anonymous, foreign) =
                (api::answer(call(&dev.guest())).await?, api::answer(call(&stranger)).await?);
            let own_list = method_name == "GET" && !template.contains('{');
            let as_wanted = match who {
                Who::Public => true,
                // A body is read before its owner is looked up, so an empty one may be refused first.
                Who::Owner if own_list => {
                    anonymous.status == 401
                        && foreign.status == 200
                        && !foreign.text.contains(&property.ids["orders"])
                }
                Who::Owner => {
                    matches!(anonymous.status, 400 | 401 | 404 | 422)
                        && matches!(foreign.status, 400 | 404 | 422)
                }
                Who::Staff => anonymous.status == 401 && foreign.status == 403,
            };
            if !as_wanted {
                wrong.push(format!(
                    "{method_name} {path}: nobody gets {} and a stranger {}: {}",
                    anonymous.status, foreign.status, foreign.text
                ));
            }
        }
    }
    assert!(walked > 40, "the document lists only {walked} routes");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Untouched, and the owner still sees it.
    for noun in ["orders", "carts", "customers"] {
        let path = format!("/store/v1/{noun}/{}", property.ids[noun]);
        assert_eq!(owner.get(&path).await?.status, 200, "{path}");
        assert_eq!(stranger.get(&path).await?.status, 404, "{path}");
    }
    let cancel =
        stranger.post(&format!("/store/v1/orders/{}/cancel", property.ids["orders"]), &json!({})).await?;
    assert_eq!(cancel.status, 404, "{}", cancel.text);
    let still = owner.get(&format!("/store/v1/orders/{}", property.ids["orders"])).await?.expect(200)?;
    assert_eq!(still["status"], "open", "{still:#}");
    Ok(())
}
