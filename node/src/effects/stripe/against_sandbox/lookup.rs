use super::bench::{Bench, authorize};
use crate::effects::provider::{Authorize, Find, IdempotencyKey, Operation, PaymentProvider, codes};

#[tokio::test]
async fn payments_are_found_by_attempt_whatever_others_there_are() {
    let bench = Bench::start().await;
    for number in 0..250 {
        let attempt_id = format!("pay_{number}");
        let key = IdempotencyKey::new(&attempt_id, Operation::Authorize, 1);
        bench.stripe.authorize(&Authorize { key, attempt_id, ..authorize("card_ok") }).await.unwrap();
    }
    let found = bench.stripe.find(&find("pay_7")).await.unwrap();
    assert_eq!(found.payments.len(), 1);
    assert_eq!(found.payments[0].attempt_id.as_deref(), Some("pay_7"));
    let nobody = bench.stripe.find(&find("pay_nobody")).await.unwrap();
    assert!(nobody.payments.is_empty() && nobody.complete, "three pages were read to their end");
}

#[tokio::test]
async fn without_a_search_the_list_is_read() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    // The search is refused, as by a provider that has none; the list is not.
    bench.control(serde_json::json!({"search": false})).await;
    let found = bench.stripe.find(&find("pay_1")).await.unwrap();
    assert!(found.complete);
    assert_eq!(found.payments[0].provider_id, paid.provider_id);
    let outside = Find { created_to_s: paid.created_s - 1, ..find("pay_1") };
    let outside = bench.stripe.find(&outside).await.unwrap();
    assert!(outside.payments.is_empty() && outside.complete);
}

#[tokio::test]
async fn an_attempt_that_is_no_word_is_not_asked_for() {
    let bench = Bench::start().await;
    for attempt in ["", "pay' OR metadata['attempt']:'x", "pay 1"] {
        assert_eq!(bench.stripe.find(&find(attempt)).await.unwrap_err().code(), codes::INVALID_REQUEST);
    }
}

fn find(attempt: &str) -> Find {
    Find { attempt_id: attempt.to_owned(), created_from_s: 0, created_to_s: 4_000_000_000, traceparent: None }
}
