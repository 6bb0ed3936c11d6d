//! The shop through its HTTP face: whose things are whose, and what is answered to whom.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use std::collections::BTreeMap;

use shop::broker::{
    AcquireLease, CommitOffsets, CreateTopic, Fence, JoinGroup, Position, PublishEvent, queries,
};
use shop::payment::IndexStates;

use crate::gateway::testing::{Bench, WEBHOOK_SECRET};
use crate::gateway::{Core, STORE};
use crate::workers::census::{Census, Part};

const PLACE: &str = "POST /store/v1/orders";

/// A shop with one SKU, ten of it, at 9.99 EUR; invoices are taken.
async fn selling() -> Bench {
    let bench = Bench::new();
    bench.admin("POST /admin/v1/locations", &[], r#"{"name": "Main"}"#).await.expect(201);
    let product = r#"{"title": "Tea", "slug": "tea", "status": "published",
        "variants": [{"sku": "TEA-1", "prices": [{"amount": 999, "currency": "EUR"}]}]}"#;
    bench.admin("POST /admin/v1/products", &[], product).await.expect(201);
    let stock = r#"{"sku": "TEA-1", "on_hand": 10}"#;
    bench.admin("POST /admin/v1/stock/set", &["idempotency-key: stock"], stock).await.expect(200);
    bench
        .admin("PATCH /admin/v1/settings", &["if-match: *"], r#"{"manual_payments": true}"#)
        .await
        .expect(200);
    bench
}

fn order(provider: Value) -> String {
    json!({
        "currency": "EUR", "email": "ada@example.com", "lines": [{"sku": "TEA-1", "quantity": 2}],
        "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Berlin", "country": "DE"},
        "payment": provider,
    })
    .to_string()
}

fn invoice() -> String {
    order(json!({"provider": "manual"}))
}

async fn available(bench: &Bench) -> Value {
    bench.call("GET /store/v1/availability?sku=TEA-1", &[], "").await.expect(200)["data"][0]["available"]
        .clone()
}

#[tokio::test]
async fn a_guest_sees_the_order_by_its_token_only() {
    let bench = selling().await;
    let placed = bench.call(PLACE, &["idempotency-key: a"], &invoice()).await;
    assert_eq!(
        placed.header("location"),
        format!("/store/v1/orders/{}", placed.json()["id"].as_str().unwrap())
    );
    let order = placed.expect(201);
    assert_eq!((&order["status"], &order["number"]), (&json!("open"), &json!(1001)));
    assert_eq!(order["return_status"], "none");
    assert_eq!(order["email"], Value::Null, "stored answers hold nothing personal");
    let path = format!("/store/v1/orders/{}", order["id"].as_str().unwrap());
    let token = format!("shopnode-order-token: {}", order["order_token"].as_str().unwrap());
    let seen = bench.call(&format!("GET {path}"), &[&token], "").await.expect(200);
    assert_eq!((&seen["email"], &seen["order_token"]), (&json!("ada@example.com"), &Value::Null));

    let (_, key) = bench.client("orders:place");
    let stranger = format!("authorization: Bearer {key}");
    for field in ["shopnode-order-token: x", "accept: */*", &stranger] {
        assert_eq!(bench.call(&format!("GET {path}"), &[field], "").await.status, 404, "{field}");
        let cancel = bench.call(&format!("POST {path}/cancel"), &[field, "idempotency-key: c"], "{}").await;
        assert_eq!(cancel.status, 404, "{field}");
    }
    assert_eq!(available(&bench).await, 8);
    let canceled =
        bench.call(&format!("POST {path}/cancel"), &[&token, "idempotency-key: c"], "").await.expect(200);
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(available(&bench).await, 10);
}

#[tokio::test]
async fn staff_erase_what_is_personal_in_the_order_of_a_guest() {
    let bench = selling().await;
    let order = bench.call(PLACE, &["idempotency-key: a"], &invoice()).await.expect(201);
    let path = format!("/admin/v1/orders/{}", order["id"].as_str().unwrap());
    let erase = format!("POST {path}/erase");
    let (_, key) = bench.client("orders:place");
    assert_eq!(bench.call(&erase, &[&format!("authorization: Bearer {key}")], "").await.status, 403);
    let seen = bench.admin(&format!("GET {path}"), &[], "").await.expect(200);
    assert_eq!(seen["email"], "ada@example.com");

    for _ in ["now", "and again"] {
        assert_eq!(bench.admin(&erase, &[], "").await.status, 204);
    }
    let seen = bench.admin(&format!("GET {path}"), &[], "").await.expect(200);
    assert_eq!((&seen["email"], &seen["shipping_address"]), (&Value::Null, &Value::Null));
    assert_eq!((&seen["status"], &seen["total"]), (&order["status"], &order["total"]));
    let elsewhere = "POST /admin/v1/orders/ord_06fzz5q2ks5j8v1mcd0p8qf1w0/erase";
    assert_eq!(bench.admin(elsewhere, &[], "").await.verdict(), (404, "not_found".into()));
}

#[tokio::test]
async fn a_client_sees_its_own_orders_and_staff_see_all() {
    let bench = selling().await;
    let [one, other] = [bench.client("orders:place").1, bench.client("orders:place").1]
        .map(|key| format!("authorization: Bearer {key}"));
    let order = bench.call(PLACE, &[&one, "idempotency-key: a"], &invoice()).await.expect(201);
    assert_eq!(order["order_token"], Value::Null, "a client needs none");
    let path = format!("GET /store/v1/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(bench.call(&path, &[&one], "").await.status, 200);
    assert_eq!(bench.call(&path, &[&other], "").await.status, 404);
    let own = async |field: &str| {
        bench.call("GET /store/v1/orders", &[field], "").await.expect(200)["data"].as_array().unwrap().len()
    };
    assert_eq!((own(&one).await, own(&other).await), (1, 0));
    assert_eq!(bench.call("GET /store/v1/orders", &[], "").await.status, 401);
    assert_eq!(bench.admin(&path, &[], "").await.status, 200);
    let all = bench.admin("GET /admin/v1/orders?status=open", &[], "").await.expect(200);
    assert_eq!(all["data"][0]["id"], order["id"]);
    assert_eq!(bench.call("GET /admin/v1/orders", &[&one], "").await.status, 403);
    let steps = bench
        .admin(&format!("GET /admin/v1/orders/{}/timeline", order["id"].as_str().unwrap()), &[], "")
        .await;
    let steps = steps.expect(200);
    let kinds =
        steps["data"][0]["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap());
    assert!(kinds.into_iter().any(|kind| kind == "shopnode.order.placed.v1"), "{steps:#}");

    // A cursor of one client's list is none of another's.
    bench.call(PLACE, &[&one, "idempotency-key: b"], &invoice()).await.expect(201);
    let page = bench.call("GET /store/v1/orders?limit=1", &[&one], "").await.expect(200);
    let next = format!("GET /store/v1/orders?cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(bench.call(&next, &[&one], "").await.expect(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(bench.call(&next, &[&other], "").await.verdict(), (400, "invalid_parameter".into()));
}

#[tokio::test]
async fn placing_again_with_the_key_is_the_same_order() {
    let bench = selling().await;
    let first = bench.call(PLACE, &["idempotency-key: a"], &invoice()).await;
    let path = format!("POST /admin/v1/orders/{}/fulfilments", first.json()["id"].as_str().unwrap());
    bench.admin(&path, &["idempotency-key: f"], "").await.expect(201);
    let again = bench.call(PLACE, &["idempotency-key: a"], &invoice()).await;
    assert_eq!(
        (again.status.as_u16(), &again.text, again.header("idempotent-replayed")),
        (201, &first.text, "true")
    );
    let without = bench.call(PLACE, &[], &invoice()).await;
    assert_eq!(without.verdict(), (400, "idempotency_key_missing".into()));
    let broken = bench.call(PLACE, &[], "{").await;
    assert_eq!(broken.verdict(), (400, "idempotency_key_missing".into()), "told before the body is read");
}

#[tokio::test]
async fn refusals_point_at_the_line() {
    let bench = selling().await;
    let check = async |body: Value, status: u16, code: &str, pointer: &str| {
        let answer = bench.call(PLACE, &["idempotency-key: x"], &body.to_string()).await;
        assert_eq!(answer.verdict(), (status, code.to_owned()), "{}", answer.text);
        assert!(
            answer.json()["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer),
            "{}",
            answer.text
        );
    };
    let body: Value = serde_json::from_str(&invoice()).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut body = body.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    check(with("/lines/0/quantity", json!(11)), 409, "out_of_stock", "/lines/0").await;
    check(with("/lines/0/sku", json!("NONE")), 422, "sku_not_sellable", "/lines/0").await;
    check(with("/lines/0/quantity", json!(0)), 422, "invalid_value", "/lines/0/quantity").await;
    check(with("/lines/0/quantity", json!("2")), 400, "malformed_body", "/lines/0/quantity").await;
    check(with("/currency", json!("XQX")), 422, "invalid_value", "/currency").await;
    check(with("/email", json!("nobody")), 422, "invalid_value", "/email").await;
    assert_eq!(available(&bench).await, 10);
}

#[tokio::test]
async fn a_cart_is_opened_by_its_token_and_becomes_an_order() {
    let bench = selling().await;
    let made = bench.call("POST /store/v1/carts", &[], r#"{"currency": "EUR"}"#).await.expect(201);
    let path = format!("/store/v1/carts/{}", made["id"].as_str().unwrap());
    let token = format!("shopnode-cart-token: {}", made["cart_token"].as_str().unwrap());
    let add = format!("POST {path}/items");
    let item = r#"{"sku": "TEA-1", "quantity": 1}"#;
    assert_eq!(bench.call(&add, &[], item).await.status, 404);
    let filled = bench.call(&add, &[&token], item).await;
    assert_eq!((filled.status.as_u16(), filled.header("etag")), (201, "\"r2\""), "{}", filled.text);
    assert_eq!(filled.json()["total"]["amount"], 999);
    let (_, key) = bench.client("orders:place");
    let stranger = format!("authorization: Bearer {key}");
    assert_eq!(
        bench.call(&format!("GET {path}"), &[&stranger, &token], "").await.status,
        404,
        "a client has its own"
    );
    let body = r#"{"email": "ada@example.com", "payment": {"provider": "manual"}}"#;
    let place = format!("POST {path}/place");
    let stale = bench.call(&place, &[&token, "idempotency-key: p", "if-match: \"r1\""], body).await;
    assert_eq!(stale.verdict(), (412, "cart_changed".into()));
    assert_eq!(bench.call(&place, &["idempotency-key: p"], body).await.status, 404);
    let order =
        bench.call(&place, &[&token, "idempotency-key: p", "if-match: \"r2\""], body).await.expect(201);
    assert_eq!((&order["cart_id"], &order["total"]["amount"]), (&made["id"], &json!(999)));
}

fn signed(body: &str, secret: &str, timestamp_s: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp_s}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("stripe-signature: t={timestamp_s},v1={hex}")
}

#[tokio::test]
async fn a_webhook_is_believed_by_its_signature_and_answered_after_the_commit() {
    let bench = selling().await;
    let card = order(json!({"provider": "stripe", "method": "pm_card_visa"}));
    let placed = bench.call(PLACE, &["idempotency-key: a"], &card).await.expect(201);
    let attempt = placed["payment_attempt"]["id"].as_str().unwrap();
    let event = json!({
        "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1_800_000_000,
        "data": {"object": {
            "id": "pi_1", "object": "payment_intent", "created": 1_800_000_000, "amount": 1998, "amount_received": 1998, "amount_capturable": 0,
            "currency": "eur", "status": "succeeded", "capture_method": "automatic", "client_secret": null,
            "metadata": {"order": placed["id"], "attempt": attempt},
        }},
    })
    .to_string();
    let now_s = bench.app.clock.now_ms() / 1_000;
    let line = "POST /hooks/stripe";
    for field in [
        signed(&event, "another", now_s),
        signed(&event, WEBHOOK_SECRET, now_s - 3_600),
        "stripe-signature: t=1,v1=00".to_owned(),
        "accept: */*".to_owned(),
    ] {
        let answer = bench.call(line, &[&field], &event).await;
        assert_eq!(answer.verdict(), (400, "webhook_signature".into()), "{field}");
    }
    let path = format!("GET /admin/v1/orders/{}", placed["id"].as_str().unwrap());
    let seen = async || bench.admin(&path, &[], "").await.expect(200);
    assert_eq!(seen().await["payment_status"], placed["payment_status"], "nothing was believed");
    let right = signed(&event, WEBHOOK_SECRET, now_s);
    *bench.core.refuse.lock().unwrap() = Some(crate::gateway::Unserved::NoQuorum);
    assert_eq!(
        bench.call(line, &[&right], &event).await.status,
        503,
        "not committed: the provider sends it again"
    );
    *bench.core.refuse.lock().unwrap() = None;
    // That the attempt was not noted as sent yet is no reason to doubt what the provider says of it.
    assert_eq!(bench.call(line, &[&right], &event).await.expect(200)["received"], true);
    let paid = seen().await;
    assert_eq!((&paid["status"], &paid["payment_status"]), (&json!("open"), &json!("paid")), "{paid:#}");
    assert_eq!(bench.call(line, &[&right], &event).await.expect(200)["received"], true);
    assert_eq!(seen().await, paid, "told twice, noted once");
    let unmatched = bench.admin("GET /admin/v1/payments/unmatched", &[], "").await.expect(200);
    assert_eq!(unmatched["data"], json!([]));
    assert_eq!(
        bench.call("POST /hooks/sandbox", &[&right], &event).await.status,
        404,
        "it is not configured"
    );
}

const CSV: &str = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n\
sencha,Sencha,Size,100 g,SEN-1,5,7.50\nsencha,,,200 g,SEN-2,x,14.00\nmatcha,Matcha,Size,50 g,MAT-1,3,19.90\n";

async fn import(bench: &Bench, query: &str, key: &str) -> Value {
    import_of(CSV, bench, query, key).await
}

pub(super) async fn import_of(csv: &str, bench: &Bench, query: &str, key: &str) -> Value {
    let fields = ["content-type: text/csv; charset=utf-8", key];
    let job = bench.admin(&format!("POST /admin/v1/imports{query}"), &fields, csv).await;
    let line = format!("GET {}", job.header("location"));
    assert_eq!(job.status, 202, "{}", job.text);
    for _ in 0..1_000 {
        let job = bench.admin(&line, &[], "").await.expect(200);
        if job["status"] != "running" {
            return job;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the import does not end");
}

#[tokio::test]
async fn what_waits_is_counted_in_the_state() {
    let bench = selling().await;
    bench.core.active_version.store(shop::LEVELS.most, std::sync::atomic::Ordering::Relaxed);
    let count = || {
        let (mut census, mut part) = (Census::default(), Some(Part::FIRST));
        while let Some(next) = part {
            let view = bench.core.store().view().in_scope(STORE);
            part = census.step(&view, bench.app.clock.now(), next).unwrap();
        }
        census
    };
    bench.call(PLACE, &["idempotency-key: a"], &invoice()).await.expect(201);
    let card = order(json!({"provider": "sandbox", "method": "card_ok"}));
    bench.call(PLACE, &["idempotency-key: b"], &card).await.expect(201);
    assert_eq!(count().payments, BTreeMap::new(), "half an index says nothing");
    bench.run(AcquireLease { queue: "retention".into(), holder: 1 });
    let fence = Fence { queue: "retention".into(), epoch: 1 };
    bench.run(IndexStates { fence, orders: 100 });

    let topic = CreateTopic { name: "acme".into(), partitions: 2, retention_days: None };
    bench.run(topic);
    bench.run(JoinGroup { group: "erp".into(), member: "m".into() });
    let told = json!({"topic": "acme", "kind": "acme.seen.v1", "key": "k", "data": "1"});
    let event = PublishEvent {
        topic: "acme".into(),
        kind: "acme.seen.v1".into(),
        key: "k".into(),
        data: told.to_string(),
    };
    bench.run(event);
    let done = |partitions: &[u16]| {
        let position = |partition| Position { topic: "acme".into(), partition, seq: 2 };
        let positions = partitions.iter().copied().map(position).collect();
        bench.run(CommitOffsets { group: "erp".into(), epoch: 1, positions });
        count()
    };
    let last = queries::last_seq(&bench.core.store().view().in_scope(STORE)).unwrap();
    assert_eq!(
        done(&[0]).group_lag,
        BTreeMap::from([("erp".to_owned(), last)]),
        "the other one has not begun"
    );
    let census = done(&[1]);
    assert_eq!(census.group_lag, BTreeMap::from([("erp".to_owned(), last - 2)]));
    // By hand, and by card.
    assert_eq!(census.payments["created"], 2);
    assert_eq!((census.payments["authorized"], census.active_holds, census.payments_due), (0, 1, 1));
}

#[tokio::test]
async fn what_a_file_has_too_much_of_is_told_although_nothing_was_refused() {
    let bench = selling().await;
    let rows = shop::catalog::import::MAX_ROWS as usize;
    let csv = format!(
        "Handle,Title,Variant SKU,Variant Price\nsencha,Sencha,SEN-1,7.50\n{}",
        "sencha,,,\n".repeat(rows)
    );
    let job = import_of(&csv, &bench, "", "idempotency-key: large").await;
    assert_eq!((&job["status"], &job["progress"]["created"]), (&json!("completed"), &json!(1)), "{job:#}");
    assert_eq!(
        (&job["progress"]["failed"], &job["errors"][0]["row"]),
        (&json!(1), &json!(rows + 2)),
        "{job:#}"
    );
    assert!(job["errors"][0]["detail"].as_str().unwrap().contains("the rest is left out"), "{job:#}");
}

#[tokio::test]
async fn an_import_tells_errors_by_row_and_doing_it_twice_changes_nothing() {
    let bench = selling().await;
    let dry = import(&bench, "?dry_run=true", "idempotency-key: dry").await;
    assert_eq!(
        (&dry["status"], &dry["dry_run"], &dry["progress"]["failed"]),
        (&json!("completed"), &json!(true), &json!(1))
    );
    assert_eq!(
        (&dry["errors"][0]["row"], &dry["errors"][0]["column"]),
        (&json!(3), &json!("Variant Inventory Qty"))
    );
    assert_eq!(
        bench.admin("GET /admin/v1/products", &[], "").await.json()["data"].as_array().unwrap().len(),
        1
    );

    let first = import(&bench, "", "idempotency-key: i").await;
    assert_eq!(
        (&first["progress"]["created"], &first["progress"]["done"]),
        (&json!(1), &first["progress"]["total"])
    );
    assert_eq!(
        import(&bench, "", "idempotency-key: i").await["id"],
        first["id"],
        "the same request is the same job"
    );
    let before = bench.core.store_digest();
    let events =
        bench.admin("GET /admin/v1/events?limit=100", &[], "").await.expect(200)["next_after"].clone();
    let again = import(&bench, "", "idempotency-key: again").await;
    assert_eq!((&again["progress"]["created"], &again["progress"]["unchanged"]), (&json!(0), &json!(1)));
    assert_ne!(before, bench.core.store_digest(), "the job itself is new");
    let line = format!("GET /admin/v1/events?after={events}&limit=100");
    let news = bench.admin(&line, &[], "").await.expect(200);
    let kinds: Vec<&str> =
        news["data"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, ["shopnode.job.completed.v1"]);
    let stock = bench.admin("GET /admin/v1/stock?sku=MAT-1", &[], "").await.expect(200);
    assert_eq!(stock["data"][0]["on_hand"], 3);
}

/// A product whose SKU is another's is left out, with its stock: that is the other's.
#[tokio::test]
async fn an_import_leaves_the_stock_of_other_products_alone() {
    let bench = selling().await;
    import(&bench, "", "idempotency-key: i").await;
    let csv = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n\
        houjicha,Houjicha,Size,50 g,HOU-1,7,9.90\nhoujicha,,,100 g,MAT-1,99,19.90\nkukicha,Kukicha,Size,50 g,KUK-1,4,6.90\n";
    for (query, key) in [("?dry_run=true", "idempotency-key: dry"), ("", "idempotency-key: other")] {
        let job = import_of(csv, &bench, query, key).await;
        let progress = &job["progress"];
        assert_eq!((&progress["created"], &progress["failed"]), (&json!(1), &json!(1)), "{query}: {job:#}");
        assert_eq!(progress["done"], progress["total"], "{query}: {job:#}");
        let error = &job["errors"][0];
        assert_eq!((&error["row"], &error["column"]), (&json!(3), &json!("Variant SKU")), "{query}: {job:#}");
    }
    let on_hand = async |sku: &str| {
        let stock = bench.admin(&format!("GET /admin/v1/stock?sku={sku}"), &[], "").await;
        stock.json()["data"][0]["on_hand"].clone()
    };
    assert_eq!((on_hand("MAT-1").await, on_hand("KUK-1").await), (json!(3), json!(4)));
}

#[tokio::test]
async fn a_job_that_a_stop_has_interrupted_is_ended_at_the_next_start() {
    use shop::broker::{CreateJob, JobKind, Outcome};
    let bench = Bench::new();
    let of_node =
        |node| match bench.run(CreateJob { kind: JobKind::ProductImport, node, dry_run: false, total: 9 }) {
            shop::Outcome::Broker(Outcome::Job { id }) => id,
            other => panic!("{other:?}"),
        };
    let (mine, another_s) = (of_node(1), of_node(2));
    crate::api::end_lost_jobs(bench.app.clone()).await;
    let job = async |id| bench.admin(&format!("GET /admin/v1/jobs/{id}"), &[], "").await.expect(200);
    let ended = job(mine).await;
    assert_eq!(ended["status"], "failed");
    assert!(ended["detail"].as_str().unwrap().contains("send the file again"));
    assert_eq!(job(another_s).await["status"], "running");
}

#[tokio::test]
async fn a_customer_s_export_has_all_orders_page_by_page_and_is_for_staff() {
    let bench = selling().await;
    let (_, key) = bench.client("orders:place customers:write customers:read");
    let client = format!("authorization: Bearer {key}");
    let made = bench
        .call("POST /store/v1/customers", &[&client], r#"{"email": "ada@example.com"}"#)
        .await
        .expect(201);
    let mut body: Value = serde_json::from_str(&invoice()).unwrap();
    body["customer_id"] = made["id"].clone();
    body["lines"][0]["quantity"] = json!(1);
    for key in ["a", "b", "c", "d"] {
        let field = format!("idempotency-key: {key}");
        bench.call(PLACE, &[&client, &field], &body.to_string()).await.expect(201);
    }
    let path = format!("/admin/v1/customers/{}/export", made["id"].as_str().unwrap());
    assert_eq!(bench.call(&format!("GET {path}"), &[&client], "").await.status, 403);
    for limit in [1, 2, 3, 100] {
        let (mut numbers, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = bench.admin(&format!("GET {path}?limit={limit}{cursor}"), &[], "").await.expect(200);
            assert_eq!(page["customer"]["email"], "ada@example.com");
            numbers.extend(
                page["orders"]["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|order| order["number"].as_u64().unwrap()),
            );
            match page["orders"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        // Orders of one millisecond are in no order.
        numbers.sort_unstable();
        assert_eq!(numbers, [1001, 1002, 1003, 1004], "by {limit}");
    }
    let other = bench
        .call("POST /store/v1/customers", &[&client], r#"{"email": "eve@example.com"}"#)
        .await
        .expect(201);
    let page = bench.admin(&format!("GET {path}?limit=1"), &[], "").await.expect(200);
    let stolen = format!(
        "GET /admin/v1/customers/{}/export?cursor={}",
        other["id"].as_str().unwrap(),
        page["orders"]["next_cursor"].as_str().unwrap()
    );
    assert_eq!(bench.admin(&stolen, &[], "").await.verdict(), (400, "invalid_parameter".into()));
}
