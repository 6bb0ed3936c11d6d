//! Nothing that a client can send gets more than a 4xx with a code and a pointer, or changes the state.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use shopnode_tests::{Answer, Dev, api, orders};

/// An order with one member replaced.
fn with(pointer: &str, value: Value) -> String {
    let mut order = orders::order("TEA-1", 1, "manual", "invoice");
    put(&mut order, pointer, value);
    order.to_string()
}

/// Replaces a member, or adds it to its parent.
fn put(body: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value;
    } else if let Some((parent, member)) = pointer.rsplit_once('/')
        && let Some(parent) = body.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        parent.insert(member.to_owned(), value);
    }
}

/// Asserts that a request was refused, and that the refusal leads to what is wrong, if a member of the body is.
fn refused(what: &str, answer: &Answer, statuses: &[u16], pointer: &str) {
    assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
    assert!(!answer.code().is_empty(), "{what}: no code: {}", answer.text);
    if !pointer.is_empty() {
        let told = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert!(told.starts_with(pointer), "{what}: wanted a pointer to {pointer}: {}", answer.text);
    }
}

#[tokio::test]
async fn bad_orders_are_refused_with_a_pointer_and_change_nothing() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;
    let before = orders::digests_at_rest(&admin).await?;

    let valid = orders::order("TEA-1", 1, "manual", "invoice").to_string();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let cases: Vec<(&str, Vec<u8>, &[u16], &str)> = vec![
        ("empty body", vec![], &[400], ""),
        ("not JSON", b"{".to_vec(), &[400], ""),
        ("bad UTF-8", b"{\"email\": \"\xff\xfe\"}".to_vec(), &[400], ""),
        ("an array", b"[]".to_vec(), &[400], ""),
        ("trailing text", format!("{valid}x").into_bytes(), &[400], ""),
        ("deep nesting", deep.into_bytes(), &[400], ""),
        ("unknown field", with("/surprise", json!(1)).into_bytes(), &[400], "/surprise"),
        ("wrong type", with("/lines", json!("many")).into_bytes(), &[400], "/lines"),
        ("float quantity", with("/lines/0/quantity", json!(1.5)).into_bytes(), &[400], "/lines/0/quantity"),
        (
            "negative quantity",
            with("/lines/0/quantity", json!(-1)).into_bytes(),
            &[400, 422],
            "/lines/0/quantity",
        ),
        ("zero quantity", with("/lines/0/quantity", json!(0)).into_bytes(), &[422], "/lines/0/quantity"),
        (
            "overflowing quantity",
            with("/lines/0/quantity", json!(u64::MAX)).into_bytes(),
            &[400, 422],
            "/lines/0/quantity",
        ),
        ("unknown currency", with("/currency", json!("XQX")).into_bytes(), &[400, 422], "/currency"),
        ("unpriced currency", with("/currency", json!("JPY")).into_bytes(), &[422], "/lines/0"),
        ("no lines", with("/lines", json!([])).into_bytes(), &[422], "/lines"),
        ("foreign SKU", with("/lines/0/sku", json!("NOT-HERE")).into_bytes(), &[422], "/lines/0"),
        ("empty SKU", with("/lines/0/sku", json!("")).into_bytes(), &[400, 422], "/lines/0/sku"),
        ("bad mail address", with("/email", json!("nobody")).into_bytes(), &[422], "/email"),
        (
            "header in the mail address",
            with("/email", json!("a@b.example\r\nBcc: x@y.example")).into_bytes(),
            &[422],
            "/email",
        ),
        (
            "bad country",
            with("/shipping_address/country", json!("Germany")).into_bytes(),
            &[422],
            "/shipping_address/country",
        ),
        (
            "huge name",
            with("/shipping_address/name", json!("x".repeat(100_000))).into_bytes(),
            &[422],
            "/shipping_address/name",
        ),
        (
            "negative total",
            with("/expected_total", json!({"amount": -5, "currency": "EUR"})).into_bytes(),
            &[409, 422],
            "",
        ),
        (
            "overflowing total",
            with("/expected_total", json!({"amount": 1e30, "currency": "EUR"})).into_bytes(),
            &[400],
            "/expected_total/amount",
        ),
        (
            "unknown provider",
            with("/payment/provider", json!("gold")).into_bytes(),
            &[400, 422],
            "/payment/provider",
        ),
        ("huge body", vec![b' '; 2 << 20], &[413], ""),
    ];
    for (what, body, statuses, pointer) in cases {
        let request = admin
            .request(Method::POST, "/store/v1/orders")
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", api::fresh_key())
            .body(body);
        refused(what, &api::answer(request).await?, statuses, pointer);
    }
    assert_eq!(orders::shop_digests(&admin).await?, before, "a refused request changed the state");
    Ok(())
}

/// A valid body with one member replaced or added.
fn changed(valid: &Value, pointer: &str, value: Value) -> Vec<u8> {
    let mut body = valid.clone();
    put(&mut body, pointer, value);
    body.to_string().into_bytes()
}

/// What is wrong with a body, the body, the statuses that are right, where the pointer must lead.
type Case = (&'static str, Vec<u8>, &'static [u16], &'static str);

const PRICE: &str = "/variants/0/prices/0/amount";

/// What every body can have wrong.
fn broken(valid: &Value) -> Vec<Case> {
    let mut bad_text = valid.to_string().into_bytes();
    bad_text.splice(1..1, *b"\"x\": \"\xff\xfe\", ");
    vec![
        ("empty body", vec![], &[400], ""),
        ("bad UTF-8", bad_text, &[400], ""),
        ("an array", b"[]".to_vec(), &[400], ""),
        ("trailing text", format!("{valid}x").into_bytes(), &[400], ""),
        ("unknown field", changed(valid, "/surprise", json!(1)), &[400], "/surprise"),
    ]
}

/// What a line of a cart can have wrong, given where its SKU and its quantity are.
fn bad_lines(valid: &Value, sku: &'static str, quantity: &'static str) -> Vec<Case> {
    vec![
        ("wrong type", changed(valid, quantity, json!("two")), &[400], quantity),
        ("a part of a unit", changed(valid, quantity, json!(1.5)), &[400], quantity),
        ("negative", changed(valid, quantity, json!(-1)), &[422], quantity),
        ("nothing", changed(valid, quantity, json!(0)), &[422], quantity),
        ("above the bound", changed(valid, quantity, json!(10_001)), &[422], quantity),
        ("overflow", changed(valid, quantity, json!(u64::MAX)), &[422], quantity),
        ("SKU of a wrong type", changed(valid, sku, json!({})), &[400], sku),
        ("empty SKU", changed(valid, sku, json!("")), &[422], sku),
        ("foreign SKU", changed(valid, sku, json!("NOT-HERE")), &[422], sku),
    ]
}

#[tokio::test]
async fn bad_bodies_of_stock_products_and_carts_are_refused_and_change_nothing() -> Result<()> {
    let dev = Dev::empty_with(&[("SHOPNODE_RATE_LIMIT__ENABLED", "false")]).await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;
    let line = json!({"sku": "TEA-1", "quantity": 2});
    let made = json!({"currency": "EUR", "items": [line]});
    let cart = dev.guest().post("/store/v1/carts", &made).await?.expect(201)?;
    let cart_token = cart["cart_token"].as_str().context("a token")?;
    let cart_path = format!("/store/v1/carts/{}", cart["id"].as_str().context("id")?);
    let items_path = format!("{cart_path}/items");
    let item_path = format!("{items_path}/{}", cart["items"][0]["id"].as_str().context("an item")?);
    let before = orders::digests_at_rest(&admin).await?;

    let set = json!({"sku": "TEA-1", "on_hand": 7});
    let adjust = json!({"sku": "TEA-1", "by": -3, "reason": "damaged"});
    let product = json!({
        "title": "Black tea", "slug": "black-tea", "status": "published", "category": "tea",
        "variants": [{"sku": "TEA-2", "options": {"size": "100 g"}, "prices": [{"amount": 999, "currency": "EUR"}]}],
    });
    let items = json!({"items": [line]});
    let quantity = json!({"quantity": 3});
    let routes: Vec<(Method, &str, &Value, Vec<Case>)> = vec![
        (
            Method::POST,
            "/admin/v1/stock/set",
            &set,
            vec![
                ("wrong type", changed(&set, "/on_hand", json!("many")), &[400], "/on_hand"),
                ("a part of a unit", changed(&set, "/on_hand", json!(1.5)), &[400], "/on_hand"),
                ("negative", changed(&set, "/on_hand", json!(-1)), &[422], "/on_hand"),
                ("above the bound", changed(&set, "/on_hand", json!(1_000_000_001)), &[422], "/on_hand"),
                ("overflow", changed(&set, "/on_hand", json!(u64::MAX)), &[422], "/on_hand"),
                ("no number at all", changed(&set, "/on_hand", json!(1e30)), &[400], "/on_hand"),
                ("empty SKU", changed(&set, "/sku", json!("")), &[422], "/sku"),
                ("foreign SKU", changed(&set, "/sku", json!("NOT-HERE")), &[404], "/sku"),
                ("no location", changed(&set, "/location_id", json!("here")), &[422], "/location_id"),
                ("other stock", changed(&set, "/if_on_hand", json!(99)), &[409], "/if_on_hand"),
            ],
        ),
        (
            Method::POST,
            "/admin/v1/stock/adjust",
            &adjust,
            vec![
                ("wrong type", changed(&adjust, "/by", json!([1])), &[400], "/by"),
                ("more than is there", changed(&adjust, "/by", json!(-101)), &[409], "/by"),
                ("below the bound", changed(&adjust, "/by", json!(-1_000_000_001)), &[422], "/by"),
                ("the least number", changed(&adjust, "/by", json!(i64::MIN)), &[422], "/by"),
                ("the greatest number", changed(&adjust, "/by", json!(i64::MAX)), &[422], "/by"),
                ("overflow", changed(&adjust, "/by", json!(u64::MAX)), &[422], "/by"),
                ("two lines", changed(&adjust, "/reason", json!("a\r\nb")), &[422], "/reason"),
                ("a novel", changed(&adjust, "/reason", json!("x".repeat(65))), &[422], "/reason"),
                ("foreign SKU", changed(&adjust, "/sku", json!("NOT-HERE")), &[404], "/sku"),
            ],
        ),
        (
            Method::POST,
            "/admin/v1/products",
            &product,
            vec![
                ("wrong type", changed(&product, "/variants", json!("one")), &[400], "/variants"),
                ("title of a wrong type", changed(&product, "/title", json!(7)), &[400], "/title"),
                (
                    "unknown field inside",
                    changed(&product, "/variants/0/x", json!(1)),
                    &[400],
                    "/variants/0/x",
                ),
                ("unknown status", changed(&product, "/status", json!("free")), &[400, 422], "/status"),
                ("no variants", changed(&product, "/variants", json!([])), &[422], "/variants"),
                ("negative price", changed(&product, PRICE, json!(-1)), &[422], PRICE),
                (
                    "dear beyond the bound",
                    changed(&product, PRICE, json!(10_000_000_000_001u64)),
                    &[422],
                    PRICE,
                ),
                ("overflow", changed(&product, PRICE, json!(u64::MAX)), &[422], PRICE),
                ("a price in parts of cents", changed(&product, PRICE, json!(9.99)), &[400], PRICE),
                ("control characters", changed(&product, "/title", json!("a\u{0}b")), &[422], "/title"),
                ("huge title", changed(&product, "/title", json!("x".repeat(100_000))), &[422], "/title"),
                ("no slug", changed(&product, "/slug", json!("../etc")), &[422], "/slug"),
                ("taken slug", changed(&product, "/slug", json!("tea-1")), &[409], "/slug"),
                (
                    "taken SKU",
                    changed(&product, "/variants/0/sku", json!("TEA-1")),
                    &[409],
                    "/variants/0/sku",
                ),
            ],
        ),
        (Method::POST, "/store/v1/carts", &made, bad_lines(&made, "/items/0/sku", "/items/0/quantity")),
        (Method::PATCH, &cart_path, &items, bad_lines(&items, "/items/0/sku", "/items/0/quantity")),
        (Method::POST, &items_path, &line, bad_lines(&line, "/sku", "/quantity")),
        (
            Method::PATCH,
            &item_path,
            &quantity,
            vec![
                ("wrong type", changed(&quantity, "/quantity", json!(null)), &[400], "/quantity"),
                ("negative", changed(&quantity, "/quantity", json!(-1)), &[422], "/quantity"),
                ("nothing", changed(&quantity, "/quantity", json!(0)), &[422], "/quantity"),
                ("above the bound", changed(&quantity, "/quantity", json!(10_001)), &[422], "/quantity"),
                ("overflow", changed(&quantity, "/quantity", json!(u64::MAX)), &[422], "/quantity"),
            ],
        ),
    ];
    for (method, path, valid, cases) in routes {
        for (what, body, statuses, pointer) in broken(valid).into_iter().chain(cases) {
            let request = admin
                .request(method.clone(), path)
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", api::fresh_key())
                .header("Shopnode-Cart-Token", cart_token)
                .body(body);
            refused(&format!("{method} {path}: {what}"), &api::answer(request).await?, statuses, pointer);
        }
    }
    assert_eq!(orders::shop_digests(&admin).await?, before, "a refused request changed the state");
    // The bodies are good but for what is wrong with them, and a change would be seen.
    admin.post("/admin/v1/stock/set", &set).await?.expect(200)?;
    admin.post("/admin/v1/stock/adjust", &adjust).await?.expect(200)?;
    admin.post("/admin/v1/products", &product).await?.expect(201)?;
    assert_ne!(orders::shop_digests(&admin).await?, before, "the digests see no change");
    Ok(())
}

#[tokio::test]
async fn money_and_stock_routes_want_a_key() -> Result<()> {
    let dev = Dev::empty().await?;
    let body = orders::order("TEA-1", 1, "manual", "invoice");
    let answer = api::answer(dev.admin().request(Method::POST, "/store/v1/orders").json(&body)).await?;
    assert_eq!((answer.status, answer.code().as_str()), (400, "idempotency_key_missing"), "{}", answer.text);
    Ok(())
}

#[tokio::test]
async fn foreign_ids_and_paths_are_not_found() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    let none = "00000000000000000000000000";
    for (path, statuses) in [
        (format!("/admin/v1/orders/ord_{none}"), [404, 404]),
        (format!("/admin/v1/orders/prd_{none}"), [400, 404]),
        ("/admin/v1/orders/../../etc/passwd".to_owned(), [400, 404]),
        ("/admin/v1/orders/%2e%2e%2fsettings".to_owned(), [400, 404]),
        ("/admin/v1/orders/%00".to_owned(), [400, 404]),
        ("/nowhere".to_owned(), [404, 404]),
    ] {
        let answer = admin.get(&path).await?;
        assert!(
            statuses.contains(&answer.status) && !answer.code().is_empty(),
            "{path}: {} {}",
            answer.status,
            answer.text
        );
    }
    Ok(())
}
