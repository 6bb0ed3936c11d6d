use std::time::Duration;

use super::bench::{Bench, authorize, euro, key};
use crate::effects::provider::{
    Authorize, CallError, Confirm, Operation, PaymentProvider, PaymentStatus, Retrieve, codes,
};

#[tokio::test]
async fn a_refusal_is_an_observation() {
    let bench = Bench::start().await;
    let refused = bench.stripe.authorize(&authorize("card_declined")).await.unwrap();
    assert_eq!(refused.status, PaymentStatus::Declined { code: "generic_decline".to_owned() });
    assert_eq!((refused.authorized_minor, refused.captured_minor), (0, 0));
    assert_eq!(refused.attempt_id.as_deref(), Some("pay_1"));
    assert_eq!(bench.ledger().await, ["decline 1998"]);
    let again = bench.stripe.authorize(&authorize("card_declined")).await.unwrap();
    assert_eq!(again.provider_id, refused.provider_id, "the same key is the same refusal");
    assert_eq!(bench.ledger().await, ["decline 1998"]);
}

#[tokio::test]
async fn any_card_can_be_told_to_refuse() {
    let bench = Bench::start().await;
    bench.fault("decline").await;
    let refused = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    assert!(matches!(refused.status, PaymentStatus::Declined { .. }));
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let bench = Bench::start().await;
    let check = async |request: Authorize| {
        let error = bench.stripe.authorize(&request).await.unwrap_err();
        assert_eq!(error.code(), codes::INVALID_REQUEST, "{request:?}");
        assert!(!error.may_be_done());
    };
    check(Authorize { amount: euro(0), ..authorize("card_ok") }).await;
    check(Authorize { amount: euro(-5), ..authorize("card_ok") }).await;
    let odd = shop::Money::new(1234, "KWD".parse().unwrap());
    check(Authorize { amount: odd, ..authorize("card_ok") }).await;
    for provider_id in ["", "../refunds", "pi_1?x=1", "pi 1"] {
        let look = Retrieve { provider_id: provider_id.to_owned(), traceparent: None };
        assert_eq!(bench.stripe.retrieve(&look).await.unwrap_err().code(), codes::INVALID_REQUEST);
    }
    assert!(bench.ledger().await.is_empty());
}

#[tokio::test]
async fn what_the_provider_refuses_was_not_done() {
    let bench = Bench::start().await;
    let check = |error: CallError, code: &str| {
        assert_eq!(error.code(), code, "{error}");
        assert!(matches!(error, CallError::NotDone { .. }), "{error}");
    };
    let unknown_card = bench.stripe.authorize(&authorize("card_of_hearts")).await.unwrap_err();
    check(unknown_card, "resource_missing");
    let huge = Authorize { amount: euro(100_000_000), ..authorize("card_ok") };
    check(bench.stripe.authorize(&huge).await.unwrap_err(), "amount_too_large");
    let stranger = bench.adapter("sk_wrong", Duration::from_secs(10));
    check(stranger.authorize(&authorize("card_ok")).await.unwrap_err(), codes::UNAUTHORIZED);
    let look = Retrieve { provider_id: "pi_nobody".to_owned(), traceparent: None };
    check(bench.stripe.retrieve(&look).await.unwrap_err(), "resource_missing");
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let confirm = Confirm { key: key(Operation::Confirm), provider_id: paid.provider_id, traceparent: None };
    check(bench.stripe.confirm(&confirm).await.unwrap_err(), "payment_intent_unexpected_state");
    assert_eq!(bench.ledger().await, ["charge 1998"], "a refused request leaves no trace and its key free");
}

#[tokio::test]
async fn a_provider_that_asks_for_patience_did_nothing() {
    let bench = Bench::start().await;
    bench
        .control(serde_json::json!({"faults": [{"fault": "rate_limit", "retry_after_s": 7, "on": "create"}]}))
        .await;
    let error = bench.stripe.authorize(&authorize("card_ok")).await.unwrap_err();
    let CallError::RetryLater { after, .. } = error else { panic!("{error}") };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert!(bench.ledger().await.is_empty());
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}
