//! Reading: what is printed for people and for scripts, lists to their end, answers that are lost, errors.

use crate::support::{Canned, FakeShop, Ran, User, json, problem};

const PRODUCT: &str = r#"{"id":"prd_06fzz5q2ks5j8v1mcd0p8qf1w2","title":"Green \u001b[31mtea","slug":"green-tea","description":"","status":"published","category":"tea","vendor":null,"tags":[],"options":["size"],"variants":[{"id":"var_06fzz5q2ks5j8v1mcd0p8qf1w2","sku":"TEA-1","options":{"size":"100 g"},"prices":[{"amount":999,"currency":"EUR"},{"amount":1500,"currency":"JPY"}],"backorder":"refuse"}],"images":[],"created_at":"2026-01-31T12:00:00.000Z","updated_at":"2026-01-31T12:00:00.000Z","revision":1,"of_a_newer_server":{"z":1,"a":2}}"#;

const ID: &str = "prd_06fzz5q2ks5j8v1mcd0p8qf1w2";

fn page(next: Option<&str>) -> String {
    let next = next.map_or("null".into(), |cursor| format!("\"{cursor}\""));
    format!(r#"{{"data":[{PRODUCT}],"next_cursor":{next}}}"#)
}

fn run(shop: &FakeShop, arguments: &[&str]) -> Ran {
    let url = shop.url();
    User::new().with("SHOPCTL_TOKEN", "sk_env").run(&[&["--server", &url], arguments].concat())
}

#[test]
fn json_is_what_the_api_answered_byte_for_byte() {
    let shop = FakeShop::start(vec![json(200, PRODUCT)]);
    let ran = run(&shop, &["-o", "json", "product", "get", ID]);
    assert_eq!((ran.code, ran.stdout, ran.stderr), (0, format!("{PRODUCT}\n"), String::new()));
    assert_eq!(shop.received()[0].target, format!("/admin/v1/products/{ID}"));
    assert_eq!(shop.received()[0].header("authorization"), Some("Bearer sk_env"));
}

#[test]
fn a_table_has_money_with_decimals_and_nothing_that_steers_a_terminal() {
    let shop = FakeShop::start(vec![json(200, PRODUCT)]);
    let ran = run(&shop, &["product", "get", ID]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for shown in ["9.99 EUR, 1500 JPY", "size: 100 g", "2026-01-31 12:00:00Z", "Green \u{fffd}[31mtea"] {
        assert!(ran.stdout.contains(shown), "{shown} in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
}

#[test]
fn a_list_sends_its_filters_and_tells_of_more() {
    let shop = FakeShop::start(vec![json(200, &page(Some("1abc")))]);
    let ran = run(&shop, &["product", "list", "--status", "published", "--category", "tea", "--limit", "7"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let target = shop.received()[0].target.clone();
    for part in ["/admin/v1/products?", "status=published", "category=tea", "limit=7"] {
        assert!(target.contains(part), "{part} in {target}");
    }
    assert!(ran.stdout.contains("green-tea") && !ran.stdout.contains("1abc"), "{ran:?}");
    assert!(ran.stderr.contains("--cursor 1abc"), "{ran:?}");
}

#[test]
fn all_follows_the_cursors_to_the_end() {
    let script = || vec![json(200, &page(Some("1a"))), json(200, &page(Some("1b"))), json(200, &page(None))];
    let shop = FakeShop::start(script());
    let ran = run(&shop, &["product", "list", "--all", "-o", "json"]);
    let expected = [page(Some("1a")), page(Some("1b")), page(None)].map(|page| page + "\n").concat();
    assert_eq!((ran.code, ran.stdout), (0, expected));
    let targets: Vec<String> = shop.received().into_iter().map(|request| request.target).collect();
    assert!(targets[1].contains("cursor=1a") && targets[2].contains("cursor=1b"), "{targets:?}");

    let shop = FakeShop::start(script());
    let ran = run(&shop, &["product", "list", "--all"]);
    assert_eq!((ran.code, ran.stdout.lines().count(), ran.stderr.as_str()), (0, 4, ""), "{ran:?}");
}

#[test]
fn a_refusal_ends_with_1_and_says_what_to_do() {
    let shop = FakeShop::start(vec![problem(404, "not_found")]);
    let ran = run(&shop, &["product", "get", ID]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    for told in ["not_found: what not_found is about", "Check the id or path", "req_fake"] {
        assert!(ran.stderr.contains(told), "{told} in\n{}", ran.stderr);
    }
    let ran = run(&shop, &["product", "get", ID, "-o", "json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.starts_with(r#"{"type":"#), "{ran:?}");
}

#[test]
fn wrong_usage_ends_with_2_before_anything_is_sent() {
    let shop = FakeShop::start(vec![json(200, PRODUCT)]);
    for wrong in [
        ["product", "gte", ID].as_slice(),
        &["product", "get"],
        &["product", "get", "ord_06fzz5q2ks5j8v1mcd0p8qf1w2"],
        &["topic", "tail", ".."],
        &["product", "list", "--status", "moon"],
        &["product", "list", "--limit", "101"],
        &["product", "list", "--profile", "prod"],
        &["product", "list", "--idempotency-key", "two words"],
        &["explain", "out_of_stok"],
    ] {
        let ran = run(&shop, wrong);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{wrong:?} {ran:?}");
        assert!(!ran.stderr.is_empty(), "{wrong:?}");
    }
    assert!(shop.received().is_empty());
}

#[test]
fn a_server_that_is_not_there_ends_with_3_and_another_is_tried() {
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let closed = format!("http://{closed}");
    let user = User::new();
    let ran = user.run(&["--server", &closed, "product", "get", ID]);
    assert!(ran.code == 3 && ran.stderr.contains(&closed), "{ran:?}");
    let shop = FakeShop::start(vec![json(200, PRODUCT)]);
    let ran = user.run(&["--server", &closed, "--server", &shop.url(), "product", "get", ID]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_lost_answer_to_a_read_is_asked_for_again() {
    let shop = FakeShop::start(vec![Canned::Drop, Canned::BreakOff, json(200, PRODUCT)]);
    assert_eq!(run(&shop, &["product", "get", ID]).code, 0);
    assert_eq!(shop.received().len(), 3);
    let shop = FakeShop::start(vec![Canned::Drop]);
    let ran = run(&shop, &["product", "get", ID]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(shop.received().len(), 4);
}

#[test]
fn an_answer_of_another_shape_is_a_failure_with_a_hint() {
    let shop = FakeShop::start(vec![json(200, r#"{"id":7}"#)]);
    let ran = run(&shop, &["product", "get", ID]);
    assert!(ran.code == 1 && ran.stderr.contains("-o json"), "{ran:?}");
    let shop = FakeShop::start(vec![Canned::Answer {
        status: 302,
        headers: vec![("location", shop.url())],
        body: String::new(),
    }]);
    assert_eq!(run(&shop, &["product", "get", ID]).code, 1);
}

#[test]
fn status_ends_with_1_when_somebody_has_to_look() {
    let cluster = |leader: &str, state: &str| {
        format!(
            r#"{{"name":"s","leader":{leader},"term":1,"commit_index":1,"active_version":1,"nodes":[{{"id":1,"role":"voter","state":"{state}","zone":"","http":"127.0.0.1:1","cluster":"127.0.0.1:2","version":"0.1.0","applied_index":1,"digest":null}}]}}"#
        )
    };
    let shop =
        FakeShop::start(vec![json(200, &cluster("1", "alive")), json(200, &cluster("null", "fenced"))]);
    let ran = run(&shop, &["status"]);
    assert!(ran.code == 0 && ran.stdout.contains("voter, leader"), "{ran:?}");
    let ran = run(&shop, &["status"]);
    assert!(ran.code == 1 && ran.stdout.contains("fenced") && ran.stderr.contains("no leader"), "{ran:?}");
}

#[test]
fn explain_needs_no_server() {
    let user = User::new();
    let ran = user.run(&["explain", "out_of_stock"]);
    assert!(ran.code == 0 && ran.stdout.contains("HTTP 409") && ran.stderr.is_empty(), "{ran:?}");
    let ran = user.run(&["explain", "wal_lost"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("(a node's log)") && ran.stdout.contains("mount it"),
        "{ran:?}"
    );
    let ran = user.run(&["explain", "out_of_stok"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `out_of_stock`?"), "{ran:?}");
}

#[test]
fn texts_are_listed_by_status() {
    let body = r#"{"data":[{"cause_seq":70000,"kind":"order_shipped","order_id":"ord_06fzz5q2ks5j8v1mcd0p8qf1w2","status":"sending","tries":0,"created_at":"2026-01-31T12:00:00.000Z","at":"2026-01-31T12:00:05.000Z","reason":null}],"next_cursor":null}"#;
    let shop = FakeShop::start(vec![json(200, body)]);
    let ran = run(&shop, &["sms", "list", "--status", "sending"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for shown in ["70000", "order_shipped", "sending", "2026-01-31 12:00:05Z"] {
        assert!(ran.stdout.contains(shown), "{shown} in\n{}", ran.stdout);
    }
    assert!(shop.received()[0].target.contains("/admin/v1/sms?"), "{ran:?}");
    assert!(shop.received()[0].target.contains("status=sending"), "{ran:?}");
    assert_eq!(run(&shop, &["sms", "list", "--status", "lost"]).code, 2);
}

#[test]
fn mails_are_listed_by_status() {
    let body = r#"{"data":[{"cause_seq":70000,"kind":"order_shipped","order_id":"ord_06fzz5q2ks5j8v1mcd0p8qf1w2","status":"failed","tries":12,"created_at":"2026-01-31T12:00:00.000Z","at":"2026-02-03T12:00:00.000Z","reason":"451"}],"next_cursor":null}"#;
    let shop = FakeShop::start(vec![json(200, body)]);
    let ran = run(&shop, &["notification", "list", "--status", "failed"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for shown in ["70000", "order_shipped", "failed", "2026-02-03 12:00:00Z", "451"] {
        assert!(ran.stdout.contains(shown), "{shown} in\n{}", ran.stdout);
    }
    assert!(shop.received()[0].target.contains("/admin/v1/notifications?"), "{ran:?}");
    assert!(shop.received()[0].target.contains("status=failed"), "{ran:?}");
    assert_eq!(run(&shop, &["notification", "list", "--status", "lost"]).code, 2);
}
