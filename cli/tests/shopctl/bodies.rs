//! What each changing verb sends, and where to.

use crate::support::{FakeShop, User, json};

fn check(arguments: &[&str], target: &str, body: &str) {
    let shop = FakeShop::start(vec![json(200, "{}")]);
    // The answer of another shape does not matter: the change was made, and it is printed as it came.
    let ran = User::new().run(&[&["--server", &shop.url()], arguments].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{}\n"), "{ran:?}");
    let received = shop.received();
    assert_eq!(received.len(), 1);
    let request = &received[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str(), request.body.as_str()),
        ("POST", target, body)
    );
    assert!(request.header("idempotency-key").is_some());
}

const ORDER: &str = "ord_06fzz5q2ks5j8v1mcd0p8qf1w0";
const PAYMENT: &str = "pay_06fzz5q2ks5j8v1mcd0p8qf1w1";

#[test]
fn stock() {
    let path = |verb: &str| format!("/admin/v1/stock/{verb}");
    check(
        &["stock", "adjust", "TEA-1", "-3", "--reason", "damaged"],
        &path("adjust"),
        r#"{"sku":"TEA-1","by":-3,"reason":"damaged"}"#,
    );
    check(&["stock", "set", "TEA-1", "100"], &path("set"), r#"{"sku":"TEA-1","on_hand":100}"#);
    check(
        &["stock", "set", "TEA-1", "100", "--if-on-hand", "90"],
        &path("set"),
        r#"{"sku":"TEA-1","on_hand":100,"if_on_hand":90}"#,
    );
}

#[test]
fn groups() {
    check(
        &["group", "reset", "erp", "orders", "--partition", "3", "--to", "0"],
        "/admin/v1/groups/erp/offsets/reset",
        r#"{"topic":"orders","partition":3,"seq":0}"#,
    );
}

#[test]
fn orders() {
    let path = |verb: &str| format!("/admin/v1/orders/{ORDER}/{verb}");
    check(&["order", "cancel", ORDER], &path("cancel"), "");
    check(&["order", "ship", ORDER], &path("fulfilments"), "{}");
    check(
        &[
            "order",
            "ship",
            ORDER,
            "--line",
            "0=2",
            "--line",
            "3=1",
            "--carrier",
            "DHL",
            "--tracking-number",
            "17",
        ],
        &path("fulfilments"),
        r#"{"lines":[{"line":0,"quantity":2},{"line":3,"quantity":1}],"tracking":{"carrier":"DHL","number":"17","url":null}}"#,
    );
}

#[test]
fn payments() {
    let path = |verb: &str| format!("/admin/v1/payments/{PAYMENT}/{verb}");
    check(&["payment", "capture", PAYMENT], &path("capture"), "{}");
    check(&["payment", "void", PAYMENT], &path("void"), "");
    check(&["payment", "refund", PAYMENT], &path("refunds"), "{}");
    check(
        &["payment", "refund", PAYMENT, "--amount", "12.50EUR"],
        &path("refunds"),
        r#"{"amount":{"amount":1250,"currency":"EUR"}}"#,
    );
}
