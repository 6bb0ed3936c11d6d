//! Nothing that a client can send gets more than a 4xx with a code and a pointer, or changes the state.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use shopnode_tests::{Answer, Api, Dev, api, orders};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// A route, a body that it takes and with which status, and what it does not take.
struct Route {
    method: Method,
    path: String,
    valid: Value,
    taken: u16,
    cases: Vec<Case>,
}

/// A route that wants a body.
fn post(path: impl Into<String>, taken: u16, valid: Value, cases: Vec<Case>) -> Route {
    let cases = broken(&valid).into_iter().chain(cases).collect();
    Route { method: Method::POST, path: path.into(), valid, taken, cases }
}

/// A route whose body may be left out.
fn post_if_any(path: impl Into<String>, taken: u16, valid: Value, cases: Vec<Case>) -> Route {
    let mut route = post(path, taken, valid, cases);
    route.cases.retain(|(what, ..)| *what != "empty body");
    route
}

/// A merge patch: the merged document is read as a whole, and a wrong type is a wrong value of it.
fn patch(path: impl Into<String>, valid: Value, cases: Vec<Case>) -> Route {
    let mut route = post(path, 200, valid, cases);
    for (_, _, statuses, _) in route.cases.iter_mut().filter(|(_, _, statuses, _)| *statuses == [400]) {
        *statuses = &[400, 422];
    }
    Route { method: Method::PATCH, ..route }
}

/// An amount of money of which the order has less than 20 EUR.
fn bad_amounts(valid: &Value) -> Vec<Case> {
    const AMOUNT: &str = "/amount/amount";
    const CURRENCY: &str = "/amount/currency";
    vec![
        ("wrong type", changed(valid, "/amount", json!(5)), &[400], "/amount"),
        ("text", changed(valid, AMOUNT, json!("100")), &[400], AMOUNT),
        ("a part of a cent", changed(valid, AMOUNT, json!(1.5)), &[400], AMOUNT),
        ("no number at all", changed(valid, AMOUNT, json!(1e30)), &[400], AMOUNT),
        ("negative", changed(valid, AMOUNT, json!(-1)), &[422], AMOUNT),
        ("the least number", changed(valid, AMOUNT, json!(i64::MIN)), &[422], AMOUNT),
        ("above the bound", changed(valid, AMOUNT, json!(10_000_000_000_001u64)), &[422], AMOUNT),
        ("overflow", changed(valid, AMOUNT, json!(u64::MAX)), &[422], AMOUNT),
        ("nothing", changed(valid, AMOUNT, json!(0)), &[422], "/amount"),
        ("more than there is", changed(valid, AMOUNT, json!(1_999)), &[422], "/amount"),
        ("unknown currency", changed(valid, CURRENCY, json!("XQX")), &[422], CURRENCY),
        ("another currency", changed(valid, CURRENCY, json!("USD")), &[422], CURRENCY),
        ("unknown field inside", changed(valid, "/amount/x", json!(1)), &[400], "/amount/x"),
    ]
}

/// Refunds, captures and shipments, and the same about what is not there.
fn of_an_order(paid: &Value, authorized: &Value) -> Result<Vec<Route>> {
    const NONE: &str = "00000000000000000000000000";
    const QUANTITY: &str = "/lines/0/quantity";
    const LINE: &str = "/lines/0/line";
    let payment =
        |order: &Value| order["payment_attempt"]["id"].as_str().map(str::to_owned).context("a payment");
    let (order, paid, authorized) =
        (paid["id"].as_str().context("id")?, payment(paid)?, payment(authorized)?);
    let amount = json!({"amount": {"amount": 100, "currency": "EUR"}});
    let tracking = json!({"carrier": "DHL", "number": "1", "url": "https://dhl.example/1"});
    let parcel = json!({"lines": [{"line": 0, "quantity": 1}], "tracking": tracking});
    let more = json!([{"line": 0, "quantity": 1}, {"line": 0, "quantity": 2}]);
    let cases = vec![
        ("wrong type", changed(&parcel, "/lines", json!({})), &[400][..], "/lines"),
        ("text", changed(&parcel, QUANTITY, json!("1")), &[400], QUANTITY),
        ("a part of a unit", changed(&parcel, QUANTITY, json!(0.5)), &[400], QUANTITY),
        ("negative", changed(&parcel, QUANTITY, json!(-1)), &[422], QUANTITY),
        ("nothing", changed(&parcel, QUANTITY, json!(0)), &[422], QUANTITY),
        ("above the bound", changed(&parcel, QUANTITY, json!(10_001)), &[422], QUANTITY),
        ("overflow", changed(&parcel, QUANTITY, json!(u64::MAX)), &[422], QUANTITY),
        ("more than was ordered", changed(&parcel, QUANTITY, json!(3)), &[409, 422], "/lines/0"),
        ("more in two", changed(&parcel, "/lines", more), &[409, 422], "/lines"),
        ("no such line", changed(&parcel, LINE, json!(9)), &[404, 409, 422], "/lines/0"),
        ("a line before the first", changed(&parcel, LINE, json!(-1)), &[422], LINE),
        ("no lines", changed(&parcel, "/lines", json!([])), &[422], "/lines"),
        ("unknown field inside", changed(&parcel, "/lines/0/x", json!(1)), &[400], "/lines/0/x"),
        ("a script", changed(&parcel, "/tracking/url", json!("javascript:x")), &[422], "/tracking/url"),
        ("two lines", changed(&parcel, "/tracking/number", json!("a\r\nb")), &[422], "/tracking/number"),
        ("no carrier", changed(&parcel, "/tracking/carrier", json!("")), &[422], "/tracking/carrier"),
    ];
    let mut routes = vec![
        post_if_any(format!("/admin/v1/payments/{paid}/refunds"), 201, amount.clone(), bad_amounts(&amount)),
        post_if_any(
            format!("/admin/v1/payments/{authorized}/capture"),
            202,
            amount.clone(),
            bad_amounts(&amount),
        ),
        post_if_any(format!("/admin/v1/orders/{order}/fulfilments"), 201, parcel.clone(), cases),
    ];
    for (path, body) in [
        (format!("/admin/v1/payments/pay_{NONE}/refunds"), &amount),
        (format!("/admin/v1/payments/{order}/refunds"), &amount),
        (format!("/admin/v1/payments/pay_{NONE}/capture"), &amount),
        (format!("/admin/v1/payments/{order}/capture"), &amount),
        (format!("/admin/v1/orders/ord_{NONE}/fulfilments"), &parcel),
        (format!("/admin/v1/orders/{paid}/fulfilments"), &parcel),
        (format!("/admin/v1/fulfilments/ful_{NONE}/deliver"), &json!({})),
        (format!("/admin/v1/fulfilments/{order}/deliver"), &json!({})),
    ] {
        let cases = vec![("foreign id", body.to_string().into_bytes(), &[404][..], "")];
        routes.push(Route { method: Method::POST, path, valid: body.clone(), taken: 404, cases });
    }
    Ok(routes)
}

/// Stock that moves from `here` to `there`, and the settings.
fn of_the_house(here: &Value, there: &Value) -> Vec<Route> {
    const UNITS: &str = "/quantity";
    const FROM: &str = "/from_location_id";
    const TO: &str = "/to_location_id";
    let nowhere = json!("loc_00000000000000000000000000");
    let transfer = json!({"sku": "TEA-1", "from_location_id": here, "to_location_id": there, "quantity": 3});
    let cases = vec![
        ("wrong type", changed(&transfer, UNITS, json!([3])), &[400][..], UNITS),
        ("a part of a unit", changed(&transfer, UNITS, json!(1.5)), &[400], UNITS),
        ("negative", changed(&transfer, UNITS, json!(-3)), &[422], UNITS),
        ("nothing", changed(&transfer, UNITS, json!(0)), &[422], UNITS),
        ("above the bound", changed(&transfer, UNITS, json!(1_000_000_001)), &[422], UNITS),
        ("overflow", changed(&transfer, UNITS, json!(u64::MAX)), &[422], UNITS),
        ("more than is free", changed(&transfer, UNITS, json!(97)), &[409], UNITS),
        ("to itself", changed(&transfer, TO, here.clone()), &[422], TO),
        ("to nowhere", changed(&transfer, TO, nowhere.clone()), &[404], TO),
        ("from nowhere", changed(&transfer, FROM, nowhere), &[404], FROM),
        ("no location", changed(&transfer, FROM, json!("here")), &[422], FROM),
        ("foreign SKU", changed(&transfer, "/sku", json!("NOT-HERE")), &[404], "/sku"),
    ];
    let settings = json!({"store_name": "Tea"});
    let not = |member: &'static str, value: Value| {
        ("no such setting", changed(&json!({}), member, value), &[422][..], member)
    };
    let patches = vec![
        not("/hold_minutes", json!(-1)),
        not("/hold_minutes", json!(0)),
        not("/hold_minutes", json!(10_081)),
        not("/hold_minutes", json!(u64::MAX)),
        not("/payment_deadline_minutes", json!(0)),
        not("/cart_days", json!(366)),
        not("/event_days", json!(1.5)),
        not("/currency", json!("XQX")),
        not("/manual_payments", json!("yes")),
        not("/store_name", json!("")),
        not("/store_name", json!("a\r\nb")),
        not("/store_name", json!("x".repeat(100_000))),
        not("/store_name", json!({})),
    ];
    vec![
        post("/admin/v1/stock/transfer", 200, transfer, cases),
        patch("/admin/v1/settings", settings, patches),
    ]
}

/// Customers, of whom one has the address `taken@example.com` and one is at `customer`; clients; categories.
fn of_people(customer: &str, client: &str) -> Vec<Route> {
    let address = json!({"name": "Eve", "line1": "1 Main St", "city": "Berlin", "country": "DE"});
    let eve = json!({"email": "eve@example.com", "name": "Eve", "addresses": [address]});
    let many = json!(vec![address; 21]);
    let cases = || {
        vec![
            ("address of a wrong type", changed(&eve, "/email", json!(7)), &[400][..], "/email"),
            ("no address", changed(&eve, "/email", json!("nobody")), &[422], "/email"),
            ("header", changed(&eve, "/email", json!("a@b.example\r\nBcc: x@y.example")), &[422], "/email"),
            ("taken", changed(&eve, "/email", json!("taken@example.com")), &[409], "/email"),
            ("control characters", changed(&eve, "/name", json!("a\u{0}b")), &[422], "/name"),
            ("huge name", changed(&eve, "/name", json!("x".repeat(100_000))), &[422], "/name"),
            ("long number", changed(&eve, "/phone", json!("1".repeat(33))), &[422], "/phone"),
            ("wrong type", changed(&eve, "/addresses", json!("home")), &[400], "/addresses"),
            ("too many", changed(&eve, "/addresses", many.clone()), &[422], "/addresses"),
            (
                "no country",
                changed(&eve, "/addresses/0/country", json!("Germany")),
                &[422],
                "/addresses/0/country",
            ),
            ("unknown field inside", changed(&eve, "/addresses/0/x", json!(1)), &[400], "/addresses/0/x"),
        ]
    };
    let named = json!({"name": "storefront", "scopes": ["catalog:read"]});
    let names = |more: Case| {
        vec![
            ("wrong type", changed(&named, "/scopes", json!(7)), &[400][..], "/scopes"),
            ("no scopes", changed(&named, "/scopes", json!([])), &[422], "/scopes"),
            ("unknown scope", changed(&named, "/scopes", json!(["world:rule"])), &[422], "/scopes"),
            ("no name", changed(&named, "/name", json!("")), &[422], "/name"),
            ("huge name", changed(&named, "/name", json!("x".repeat(100_000))), &[422], "/name"),
            ("two lines", changed(&named, "/name", json!("a\r\nb")), &[422], "/name"),
            more,
        ]
    };
    let all = ("all scopes and another", changed(&named, "/scopes", json!(["*", 1])), &[400][..], "/scopes");
    let greedy = (
        "more than the client may",
        changed(&named, "/scopes", json!(["orders:write"])),
        &[422][..],
        "/scopes",
    );

    let pie = json!({"title": "Pie", "slug": "pie"});
    let titles = |valid: &Value| -> Vec<Case> {
        vec![
            ("wrong type", changed(valid, "/title", json!(7)), &[400], "/title"),
            ("no title", changed(valid, "/title", json!("")), &[422], "/title"),
            ("huge title", changed(valid, "/title", json!("x".repeat(100_000))), &[422], "/title"),
            ("control characters", changed(valid, "/title", json!("a\u{0}b")), &[422], "/title"),
        ]
    };
    let mut categories = titles(&pie);
    categories.push(("no slug", changed(&pie, "/slug", json!("../etc")), &[422], "/slug"));
    categories.push(("taken slug", changed(&pie, "/slug", json!("cake")), &[409], "/slug"));
    let cakes = json!({"title": "Cakes"});
    let mut renames = titles(&cakes);
    renames.push(("another slug", changed(&cakes, "/slug", json!("other")), &[400], "/slug"));
    vec![
        patch(format!("/store/v1/customers/{customer}"), eve.clone(), cases()),
        post("/store/v1/customers", 201, json!({"email": "mallory@example.com"}), cases()),
        post("/admin/v1/clients", 201, named.clone(), names(all)),
        post(format!("/admin/v1/clients/{client}/keys"), 201, named.clone(), names(greedy)),
        post("/admin/v1/categories", 201, pie, categories),
        patch("/admin/v1/categories/cake", cakes, renames),
    ]
}

async fn send(admin: &Api, route: &Route, body: Vec<u8>) -> Result<Answer> {
    let request = admin
        .request(route.method.clone(), &route.path)
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", api::fresh_key())
        .header("If-Match", "*")
        .body(body);
    api::answer(request).await
}

/// A client that sends half of a good body and then nothing; gives the answer.
async fn stalled(dev: &Dev) -> Result<String> {
    let address = dev.node().http.trim_start_matches("http://").to_owned();
    let admin = dev.admin();
    let head = format!(
        "POST /admin/v1/stock/adjust HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n",
        admin.token().context("a token")?,
        api::fresh_key()
    );
    let mut stream = TcpStream::connect(&address).await?;
    stream.write_all(format!("{head}{{\"sku\": \"TEA-1\", \"by\": -3, ").as_bytes()).await?;
    let mut answer = Vec::new();
    // It is given up after 5 seconds; the bound is for a machine that has other things to do.
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await??;
    Ok(String::from_utf8(answer)?)
}

#[tokio::test]
async fn bad_bodies_of_money_staff_and_people_are_refused_and_change_nothing() -> Result<()> {
    let dev = Dev::empty_with(&[("SHOPNODE_RATE_LIMIT__ENABLED", "false")]).await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;
    let mut order = orders::order("TEA-1", 2, "sandbox", "card_ok");
    let paid = admin.post("/store/v1/orders", &order).await?.expect(201)?;
    put(&mut order, "/payment/capture", json!("manual"));
    let authorized = admin.post("/store/v1/orders", &order).await?.expect(201)?;
    let paid = orders::settled(&admin, paid["id"].as_str().context("id")?, "open", "paid").await?;
    let authorized =
        orders::settled(&admin, authorized["id"].as_str().context("id")?, "open", "authorized").await?;
    let here = orders::stock(&admin, "TEA-1").await?["location_id"].clone();
    let there = admin.post("/admin/v1/locations", &json!({"name": "There"})).await?.expect(201)?;
    let taken = json!({"email": "taken@example.com"});
    admin.post("/store/v1/customers", &taken).await?.expect(201)?;
    let customer =
        admin.post("/store/v1/customers", &json!({"email": "eve@example.com"})).await?.expect(201)?;
    let client = json!({"name": "reader", "scopes": ["catalog:read"]});
    let client = admin.post("/admin/v1/clients", &client).await?.expect(201)?;
    admin.post("/admin/v1/categories", &json!({"title": "Cake", "slug": "cake"})).await?.expect(201)?;

    let mut routes = of_an_order(&paid, &authorized)?;
    routes.extend(of_the_house(&here, &there["id"]));
    routes.extend(of_people(
        customer["id"].as_str().context("id")?,
        client["client_id"].as_str().context("client_id")?,
    ));
    let before = orders::digests_at_rest(&admin).await?;
    let (slow, checked) = tokio::join!(stalled(&dev), async {
        for route in &routes {
            for (what, body, statuses, pointer) in &route.cases {
                let what = format!("{} {}: {what}", route.method, route.path);
                refused(&what, &send(&admin, route, body.clone()).await?, statuses, pointer);
            }
        }
        anyhow::Ok(())
    });
    checked?;
    let slow = slow?;
    assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("request_timeout"), "{slow}");
    assert_eq!(orders::shop_digests(&admin).await?, before, "a refused request changed the state");
    // The bodies are good but for what is wrong with them.
    for route in &routes {
        let answer = send(&admin, route, route.valid.to_string().into_bytes()).await?;
        assert_eq!(answer.status, route.taken, "{} {}: {}", route.method, route.path, answer.text);
    }
    assert_ne!(orders::shop_digests(&admin).await?, before, "the digests see no change");
    Ok(())
}

/// What touches money or stock, by `operationId`.
const WANT_A_KEY: [&str; 17] = [
    "adjust_stock",
    "cancel_order",
    "cancel_own_order",
    "capture_payment",
    "deliver_fulfilment",
    "fulfil_order",
    "import_products",
    "mark_order_paid",
    "pay_order",
    "place_cart",
    "place_order",
    "refund_payment",
    "resolve_unmatched_payment",
    "set_stock",
    "set_stock_thresholds",
    "transfer_stock",
    "void_payment",
];

/// What does not.
const WANT_NONE: [&str; 34] = [
    "add_cart_item",
    "commit_offsets",
    "compact_node",
    "create_api_key",
    "create_backup",
    "create_cart",
    "create_category",
    "create_client",
    "create_customer",
    "create_join_token",
    "create_location",
    "create_product",
    "create_topic",
    "demote_node",
    "drain_node",
    "erase_customer",
    "erase_order",
    "finalize_upgrade",
    "join_group",
    "promote_node",
    "publish_event",
    "reset_offset",
    "retire_authority",
    "retry_notification",
    "retry_sms",
    "rotate_authority",
    // What a provider tells is the same however often it tells it.
    "sandbox_webhook",
    "send_heartbeat",
    "stripe_webhook",
    "token",
    "transfer_leader",
    "undrain_node",
    // The same bytes are the same image.
    "upload_image",
    "verify_backup",
];

/// Whether the document says that a request needs a key.
fn is_documented_to_want_a_key(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters
        .into_iter()
        .any(|parameter| parameter["name"] == "Idempotency-Key" && parameter["required"] == true)
}

#[tokio::test]
async fn money_and_stock_routes_want_a_key() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    let document = admin.get("/openapi.json").await?.expect(200)?;
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        let Some(operation) = methods.get("post") else { continue };
        let id = operation["operationId"].as_str().context("an operationId")?;
        assert!(found.insert(id.to_owned()), "two are called {id}");
        let wants = WANT_A_KEY.contains(&id);
        assert!(wants != WANT_NONE.contains(&id), "{id}: say whether it touches money or stock, once");
        assert_eq!(is_documented_to_want_a_key(operation), wants, "{id}");
        if wants {
            let answer = api::answer(admin.request(Method::POST, path).json(&json!({}))).await?;
            let told = (answer.status, answer.code());
            assert_eq!(told, (400, "idempotency_key_missing".to_owned()), "{id}: {}", answer.text);
        }
    }
    let listed: BTreeSet<String> = WANT_A_KEY.iter().chain(&WANT_NONE).map(|id| (*id).to_owned()).collect();
    assert_eq!(listed, found, "what is listed and what there is");
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
