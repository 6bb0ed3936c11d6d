use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, authorize, euro};
use crate::effects::provider::{
    CallError, IdempotencyKey, Operation, PaymentProvider, Refund, RefundStatus, Retrieve,
};

#[tokio::test]
async fn money_goes_back_once_and_never_more_than_was_taken() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let first = bench.stripe.refund(&refund(&paid.provider_id, 1, 1500)).await.unwrap();
    assert_eq!(first.status, RefundStatus::Succeeded);
    assert_eq!(first.refund_id.as_deref(), Some("ref_1"));
    assert_eq!((first.attempt_id.as_deref(), first.amount), (Some("pay_1"), euro(1500)));
    let again = bench.stripe.refund(&refund(&paid.provider_id, 1, 1500)).await.unwrap();
    assert_eq!(again.provider_refund_id, first.provider_refund_id);
    let too_much = bench.stripe.refund(&refund(&paid.provider_id, 2, 500)).await.unwrap_err();
    assert!(matches!(too_much, CallError::NotDone { .. }), "{too_much}");
    assert_eq!(bench.ledger().await, ["charge 1998", "refund 1500"]);
    let payment = bench.stripe.retrieve(&look(&paid.provider_id)).await.unwrap();
    assert_eq!((payment.captured_minor, payment.refunded_minor), (1998, 1500));
    assert!(payment.refunds_complete);
    assert_eq!(payment.refunds.len(), 1);
    assert_eq!(payment.refunds[0].refund_id.as_deref(), Some("ref_1"));
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_found_with_its_payment() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    bench.fault("drop_after").await;
    let lost = bench.stripe.refund(&refund(&paid.provider_id, 1, 300)).await.unwrap_err();
    assert!(lost.may_be_done());
    let payment = bench.stripe.retrieve(&look(&paid.provider_id)).await.unwrap();
    assert_eq!(payment.refunds[0].refund_id.as_deref(), Some("ref_1"));
    bench.stripe.refund(&refund(&paid.provider_id, 1, 300)).await.unwrap();
    assert_eq!(bench.ledger().await, ["charge 1998", "refund 300"]);
}

#[tokio::test]
async fn a_payment_shows_all_its_refunds_however_many() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    for number in 1..=12 {
        bench.stripe.refund(&refund(&paid.provider_id, number, 10)).await.unwrap();
    }
    let payment = bench.stripe.retrieve(&look(&paid.provider_id)).await.unwrap();
    assert_eq!((payment.refunds.len(), payment.refunds_complete), (12, true));
    assert_eq!(payment.refunded_minor, 120);
}

#[tokio::test]
async fn a_refund_may_take_its_time_and_may_fail() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    bench.control(json!({"refunds": {"outcome": "succeeded", "settle_after_ms": 600_000}})).await;
    for (number, outcome, expect) in [
        (1, "succeeded", RefundStatus::Succeeded),
        (2, "failed", RefundStatus::Failed { code: "expired_or_canceled_card".to_owned() }),
    ] {
        let pending = bench.stripe.refund(&refund(&paid.provider_id, number, 100)).await.unwrap();
        assert_eq!(pending.status, RefundStatus::Pending);
        bench.control(json!({"settle_refunds": outcome})).await;
        let settled = bench.stripe.retrieve_refund(&look(&pending.provider_refund_id)).await.unwrap();
        assert_eq!(settled.status, expect);
    }
    let payment = bench.stripe.retrieve(&look(&paid.provider_id)).await.unwrap();
    assert_eq!(payment.refunded_minor, 100, "what failed is not refunded");
    let expect =
        ["charge 1998", "refund_pending 100", "refund 100", "refund_pending 100", "refund_failed 100"];
    assert_eq!(bench.ledger().await, expect);
}

#[tokio::test]
async fn a_pending_refund_settles_by_itself() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    bench.control(json!({"refunds": {"outcome": "succeeded", "settle_after_ms": 100}})).await;
    let pending = bench.stripe.refund(&refund(&paid.provider_id, 1, 100)).await.unwrap();
    let settled = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let now = bench.stripe.retrieve_refund(&look(&pending.provider_refund_id)).await.unwrap();
            if now.status != RefundStatus::Pending {
                return now.status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(settled.await.unwrap(), RefundStatus::Succeeded);
}

fn refund(provider_id: &str, number: u32, amount: i64) -> Refund {
    Refund {
        key: IdempotencyKey::new("pay_1", Operation::Refund, number),
        provider_id: provider_id.to_owned(),
        refund_id: format!("ref_{number}"),
        attempt_id: "pay_1".to_owned(),
        order_id: "ord_1".to_owned(),
        amount: euro(amount),
        traceparent: None,
    }
}

fn look(id: &str) -> Retrieve {
    Retrieve { provider_id: id.to_owned(), traceparent: None }
}
