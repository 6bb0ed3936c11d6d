//! Changes: one key for all attempts, and an end that is done, refused, not reached or unknown, never a guess.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Canned, FakeShop, Ran, User, finish, json, problem};

const CREATED: &str = r#"{"client_id":"cli_06fzz5q2ks5j8v1mcd0p8qf1w2","client_secret":"only-once","name":"pos","scopes":["orders:place"]}"#;
const CREATE: [&str; 5] = ["client", "create", "pos", "--scope", "orders:place"];

fn run(shop: &FakeShop, arguments: &[&str]) -> Ran {
    User::new().run(&[&["--server", &shop.url()], arguments].concat())
}

/// All requests had one key; returns it.
fn the_key(shop: &FakeShop) -> String {
    let keys = shop.keys();
    assert_eq!(keys.len(), shop.received().len(), "every request has a key");
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    keys[0].clone()
}

#[test]
fn a_change_sends_a_key_and_prints_what_was_made() {
    let shop = FakeShop::start(vec![json(201, CREATED)]);
    let ran = run(&shop, &CREATE);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("only-once"), "{ran:?}");
    assert!(ran.stderr.contains("made client cli_") && !ran.stderr.contains("only-once"), "{ran:?}");
    let request = shop.received().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/admin/v1/clients"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, r#"{"name":"pos","scopes":["orders:place"]}"#);
    assert_eq!(the_key(&shop).len(), 36);
    // Another run is another change.
    assert_ne!(shop.keys()[0], {
        run(&shop, &CREATE);
        shop.keys()[1].clone()
    });
}

#[test]
fn a_change_whose_answer_is_lost_is_asked_for_again_with_the_same_key() {
    for lost in [
        Canned::Drop,
        Canned::BreakOff,
        problem(503, "outcome_unknown"),
        problem(504, "gateway_timeout"),
        problem(409, "idempotency_in_progress"),
        json(502, "bad gateway"),
    ] {
        let shop = FakeShop::start(vec![lost.clone(), lost.clone(), json(201, CREATED)]);
        let ran = run(&shop, &[&CREATE[..], &["-o", "json"]].concat());
        assert_eq!((ran.code, ran.stdout), (0, format!("{CREATED}\n")), "{lost:?}");
        assert_eq!(shop.received().len(), 3);
        assert!(ran.stderr.contains(&the_key(&shop)), "{}", ran.stderr);
    }
}

#[test]
fn a_change_that_stays_unknown_ends_with_4_and_the_key() {
    for lost in [Canned::Drop, Canned::Silence, Canned::Vanish, problem(503, "outcome_unknown")] {
        let shop = FakeShop::start(vec![lost.clone()]);
        let ran = run(&shop, &[&CREATE[..], &["--deadline", "1"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{lost:?} {ran:?}");
        assert!(ran.stderr.contains(&format!("--idempotency-key {}", the_key(&shop))), "{ran:?}");
    }
}

#[test]
fn a_doubt_ends_only_with_an_answer_that_knows_the_key() {
    let after_a_doubt = |second: Canned| {
        let shop = FakeShop::start(vec![Canned::Drop, second]);
        (run(&shop, &[&CREATE[..], &["--deadline", "1"]].concat()).code, shop.received().len())
    };
    assert_eq!(after_a_doubt(problem(409, "already_exists")), (1, 2));
    assert_eq!(after_a_doubt(problem(401, "unauthenticated")), (4, 2));
    assert_eq!(after_a_doubt(problem(403, "forbidden")), (4, 2));
    for again in [problem(503, "no_quorum"), problem(503, "not_ready"), problem(429, "rate_limited")] {
        let (code, requests) = after_a_doubt(again);
        assert!(code == 4 && requests > 2, "{code} {requests}");
    }
}

#[test]
fn what_was_certainly_not_done_is_a_failure_at_once() {
    for refused in [
        problem(409, "out_of_stock"),
        problem(503, "no_quorum"),
        problem(503, "not_ready"),
        problem(401, "unauthenticated"),
    ] {
        let shop = FakeShop::start(vec![refused.clone()]);
        assert_eq!((run(&shop, &CREATE).code, shop.received().len()), (1, 1), "{refused:?}");
    }
}

#[test]
fn a_change_that_was_never_sent_ends_with_3() {
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let closed = format!("http://{closed}");
    let ran = User::new().run(&[&["--server", &closed], &CREATE[..]].concat());
    assert!(ran.code == 3 && !ran.stderr.contains("idempotency-key"), "{ran:?}");
}

#[test]
fn another_server_is_asked_with_the_same_key() {
    let (first, second) = (FakeShop::start(vec![Canned::Drop]), FakeShop::start(vec![json(201, CREATED)]));
    let ran =
        User::new().run(&[&["--server", &first.url(), "--server", &second.url()], &CREATE[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(the_key(&first), the_key(&second));
}

#[test]
fn too_many_requests_are_waited_out_within_the_deadline() {
    let limited = |seconds: &str| match problem(429, "rate_limited") {
        Canned::Answer { status, mut headers, body } => {
            headers.push(("retry-after", seconds.into()));
            Canned::Answer { status, headers, body }
        }
        other => other,
    };
    let shop = FakeShop::start(vec![limited("1"), json(201, CREATED)]);
    assert_eq!((run(&shop, &CREATE).code, shop.received().len()), (0, 2));
    the_key(&shop);
    let shop = FakeShop::start(vec![limited("3600"), json(201, CREATED)]);
    assert_eq!((run(&shop, &CREATE).code, shop.received().len()), (1, 1));
}

#[test]
fn a_person_repeats_with_the_printed_key_and_learns_that_it_was_done() {
    let headers = vec![("idempotent-replayed", "true".into())];
    let shop = FakeShop::start(vec![Canned::Answer { status: 201, headers, body: CREATED.into() }]);
    let ran = run(&shop, &[&CREATE[..], &["--idempotency-key", "key-of-before"]].concat());
    assert!(ran.code == 0 && ran.stderr.contains("by an earlier request with the same key"), "{ran:?}");
    assert_eq!(the_key(&shop), "key-of-before");
}

#[test]
fn ctrl_c_while_the_answer_is_out_ends_with_4_and_the_key() {
    let shop = FakeShop::start(vec![Canned::Silence]);
    let user = User::new();
    let child = user.start(&[&["--server", &shop.url()], &CREATE[..]].concat());
    let started = Instant::now();
    while shop.received().is_empty() && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let signaled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signaled.success());
    let ran = finish(child);
    assert!(ran.code == 4 && ran.stderr.contains(&the_key(&shop)), "{ran:?}");
}

#[test]
fn a_revocation_has_no_key_and_does_no_harm_twice() {
    let no_content = Canned::Answer { status: 204, headers: vec![], body: String::new() };
    let shop = FakeShop::start(vec![Canned::Drop, no_content]);
    let ran = run(&shop, &["client", "revoke", "cli_06fzz5q2ks5j8v1mcd0p8qf1w2"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("revoked client cli_"), "{ran:?}");
    assert!(shop.keys().is_empty());
    assert_eq!(shop.received()[1].target, "/admin/v1/clients/cli_06fzz5q2ks5j8v1mcd0p8qf1w2");
    assert_eq!(run(&shop, &["client", "revoke", "nonsense"]).code, 2);
}

#[test]
fn a_text_is_sent_again_with_a_key() {
    let no_content = Canned::Answer { status: 204, headers: vec![], body: String::new() };
    let shop = FakeShop::start(vec![Canned::Drop, no_content]);
    let ran = run(&shop, &["sms", "retry", "70000"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("text message 70000 is due again"), "{ran:?}");
    the_key(&shop);
    assert_eq!(shop.received()[1].target, "/admin/v1/sms/70000/retry");
}

#[test]
fn a_mail_is_sent_again_with_a_key() {
    let no_content = Canned::Answer { status: 204, headers: vec![], body: String::new() };
    let shop = FakeShop::start(vec![Canned::Drop, no_content]);
    let ran = run(&shop, &["notification", "retry", "70000"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("notification 70000 is due again"), "{ran:?}");
    the_key(&shop);
    assert_eq!(shop.received()[1].target, "/admin/v1/notifications/70000/retry");
    assert_eq!(run(&shop, &["notification", "retry", "ord_1"]).code, 2);
}

#[test]
fn an_order_is_erased_with_a_key() {
    let no_content = Canned::Answer { status: 204, headers: vec![], body: String::new() };
    let shop = FakeShop::start(vec![Canned::Drop, no_content]);
    let order = "ord_06fzz5q2ks5j8v1mcd0p8qf1w0";
    let ran = run(&shop, &["order", "erase", order]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains(&format!("erased what was personal in order {order}")), "{ran:?}");
    the_key(&shop);
    assert_eq!(shop.received()[1].target, format!("/admin/v1/orders/{order}/erase"));
}
