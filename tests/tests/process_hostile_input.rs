//! Nothing that a client can send gets more than a 4xx with a code and a pointer, or changes the state.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use shopnode_tests::{Dev, api, orders};

/// An order with one member replaced.
fn with(pointer: &str, value: Value) -> String {
    let mut order = orders::order("TEA-1", 1, "manual", "invoice");
    if let Some(place) = order.pointer_mut(pointer) {
        *place = value;
    } else if let Some((parent, member)) = pointer.rsplit_once('/')
        && let Some(parent) = order.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        parent.insert(member.to_owned(), value);
    }
    order.to_string()
}

#[tokio::test]
async fn bad_orders_are_refused_with_a_pointer_and_change_nothing() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;
    let before = orders::shop_digests(&admin).await?;

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
        let answer = api::answer(request).await?;
        assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
        assert!(!answer.code().is_empty(), "{what}: no code: {}", answer.text);
        if !pointer.is_empty() {
            let told = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
            assert!(told.starts_with(pointer), "{what}: wanted a pointer to {pointer}: {}", answer.text);
        }
    }
    assert_eq!(orders::shop_digests(&admin).await?, before, "a refused request changed the state");
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
