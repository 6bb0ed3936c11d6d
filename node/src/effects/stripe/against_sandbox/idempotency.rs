use std::time::Duration;

use super::bench::{Bench, KEY, authorize, euro};
use crate::effects::provider::{Authorize, IdempotencyKey, Operation, PaymentProvider, codes};

#[tokio::test]
async fn fifty_at_once_under_one_key_charge_once() {
    let bench = Bench::start().await;
    let request = authorize("card_ok");
    let calls = (0..50).map(|_| bench.stripe.authorize(&request));
    let results = futures::future::join_all(calls).await;
    let first = results[0].as_ref().unwrap();
    assert!(results.iter().all(|result| result.as_ref().unwrap() == first));
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}

#[tokio::test]
async fn a_key_used_for_something_else_proves_nothing() {
    let bench = Bench::start().await;
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let other = Authorize { amount: euro(1), ..authorize("card_ok") };
    let error = bench.stripe.authorize(&other).await.unwrap_err();
    assert_eq!((error.code(), error.may_be_done()), (codes::IDEMPOTENCY_MISMATCH, true));
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}

#[tokio::test]
async fn another_sequence_is_another_charge() {
    let bench = Bench::start().await;
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let next =
        Authorize { key: IdempotencyKey::new("pay_1", Operation::Authorize, 2), ..authorize("card_ok") };
    bench.stripe.authorize(&next).await.unwrap();
    assert_eq!(bench.ledger().await, ["charge 1998", "charge 1998"]);
}

#[tokio::test]
async fn a_replay_says_so() {
    let bench = Bench::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = async || {
        let request = http
            .post(format!("{}/v1/payment_intents", bench.base_url()))
            .timeout(Duration::from_secs(10))
            .basic_auth(KEY, None::<&str>)
            .header("idempotency-key", "k1")
            .form(&[
                ("amount", "5"),
                ("currency", "eur"),
                ("payment_method", "card_ok"),
                ("confirm", "true"),
            ]);
        let response = request.send().await.unwrap();
        let replayed = response.headers().contains_key("idempotent-replayed");
        (response.status().as_u16(), replayed, response.bytes().await.unwrap())
    };
    let (status, replayed, body) = send().await;
    assert_eq!((status, replayed), (200, false));
    assert_eq!(send().await, (200, true, body));
}
