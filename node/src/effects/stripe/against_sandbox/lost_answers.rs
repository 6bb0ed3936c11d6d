use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, KEY, authorize, key, reserve};
use crate::effects::provider::{Capture, Find, Operation, PaymentProvider, PaymentStatus, codes};

#[tokio::test]
async fn an_answer_lost_after_charging_is_unknown_and_the_same_key_charges_no_more() {
    let bench = Bench::start().await;
    let lost = bench.stripe.authorize(&authorize("card_drop_response")).await.unwrap_err();
    assert!(lost.may_be_done(), "{lost}");
    assert_eq!(lost.code(), codes::CONNECTION_LOST);
    assert_eq!(bench.ledger().await, ["charge 1998"], "the money moved all the same");
    let again = bench.stripe.authorize(&authorize("card_drop_response")).await.unwrap();
    assert_eq!((again.status, again.captured_minor), (PaymentStatus::Captured, 1998));
    assert_eq!(bench.ledger().await, ["charge 1998"]);
    let found = bench.stripe.find(&window("pay_1")).await.unwrap();
    assert_eq!(found.payments.len(), 1);
    assert_eq!(found.payments[0].provider_id, again.provider_id);
}

#[tokio::test]
async fn a_late_answer_is_unknown_and_the_same_key_waits_then_finds_it() {
    let bench = Bench::start().await;
    bench.control(json!({"slow_delay_ms": 4000})).await;
    let hasty = bench.adapter(KEY, Duration::from_millis(300));
    let late = hasty.authorize(&authorize("card_slow")).await.unwrap_err();
    assert_eq!((late.code(), late.may_be_done()), (codes::TIMEOUT, true));
    let meanwhile = bench.stripe.authorize(&authorize("card_slow")).await.unwrap_err();
    assert_eq!((meanwhile.code(), meanwhile.may_be_done()), (codes::IN_PROGRESS, true));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let paid = bench.stripe.authorize(&authorize("card_slow")).await.unwrap();
    assert_eq!(paid.captured_minor, 1998);
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}

#[tokio::test]
async fn a_connection_that_breaks_before_anything_is_done_looks_the_same() {
    let bench = Bench::start().await;
    bench.fault("drop_before").await;
    let lost = bench.stripe.authorize(&authorize("card_ok")).await.unwrap_err();
    assert!(lost.may_be_done(), "nobody can tell from here");
    assert!(bench.ledger().await.is_empty());
    let found = bench.stripe.find(&window("pay_1")).await.unwrap();
    assert!(found.payments.is_empty() && found.complete, "a whole look proves that nothing was done");
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}

#[tokio::test]
async fn a_server_error_is_unknown_whether_or_not_it_was_done() {
    let bench = Bench::start().await;
    bench.fault("error_before").await;
    let error = bench.stripe.authorize(&authorize("card_ok")).await.unwrap_err();
    assert_eq!((error.code(), error.may_be_done()), (codes::PROVIDER_ERROR, true));
    assert!(bench.ledger().await.is_empty());
    bench.fault("error_after").await;
    assert!(bench.stripe.authorize(&authorize("card_ok")).await.unwrap_err().may_be_done());
    // The provider answers 500 under this key for ever: only looking helps.
    assert!(bench.stripe.authorize(&authorize("card_ok")).await.unwrap_err().may_be_done());
    let found = bench.stripe.find(&window("pay_1")).await.unwrap();
    assert_eq!(found.payments[0].captured_minor, 1998);
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}

#[tokio::test]
async fn a_capture_whose_answer_is_lost_happens_once() {
    let bench = Bench::start().await;
    let reserved = bench.stripe.authorize(&reserve("card_ok")).await.unwrap();
    let capture = Capture {
        key: key(Operation::Capture),
        provider_id: reserved.provider_id,
        amount: None,
        traceparent: None,
    };
    bench.fault("drop_after").await;
    assert!(bench.stripe.capture(&capture).await.unwrap_err().may_be_done());
    assert_eq!(bench.stripe.capture(&capture).await.unwrap().captured_minor, 1998);
    assert_eq!(bench.ledger().await, ["authorization 1998", "capture 1998"]);
}

fn window(attempt: &str) -> Find {
    Find { attempt_id: attempt.to_owned(), created_from_s: 0, created_to_s: 4_000_000_000, traceparent: None }
}
