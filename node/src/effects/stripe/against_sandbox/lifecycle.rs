use super::bench::{Bench, authorize, euro, key, reserve};
use crate::effects::provider::{
    CallError, Cancel, Capture, NextAction, Operation, PaymentProvider, PaymentStatus, Retrieve, Source,
};

#[tokio::test]
async fn a_good_card_is_charged_once() {
    let bench = Bench::start().await;
    let observed = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    assert_eq!(observed.status, PaymentStatus::Captured);
    assert_eq!(observed.amount, euro(1998));
    assert_eq!(
        (observed.authorized_minor, observed.captured_minor, observed.refunded_minor),
        (1998, 1998, 0)
    );
    assert_eq!(observed.attempt_id.as_deref(), Some("pay_1"));
    assert_eq!(observed.order_id.as_deref(), Some("ord_1"));
    assert_eq!(observed.source, Source::Answer);
    assert!(observed.refunds_complete && observed.refunds.is_empty());
    let entries = bench.ledger_entries().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["kind"], "charge");
    assert_eq!(entries[0]["metadata"]["order"], "ord_1");
    assert_eq!(entries[0]["idempotency_key"], "pay_1:authorize:1");
    let polled = bench.stripe.retrieve(&look(&observed.provider_id)).await.unwrap();
    assert_eq!((polled.status, polled.source), (PaymentStatus::Captured, Source::Poll));
}

#[tokio::test]
async fn reserved_money_is_captured_in_part() {
    let bench = Bench::start().await;
    let reserved = bench.stripe.authorize(&reserve("card_ok")).await.unwrap();
    assert_eq!(reserved.status, PaymentStatus::Authorized);
    assert_eq!((reserved.authorized_minor, reserved.captured_minor), (1998, 0));
    let captured = bench.stripe.capture(&capture(&reserved.provider_id, Some(1500))).await.unwrap();
    assert_eq!(captured.status, PaymentStatus::Captured);
    assert_eq!((captured.authorized_minor, captured.captured_minor), (1998, 1500));
    assert_eq!(bench.ledger().await, ["authorization 1998", "capture 1500"]);
}

#[tokio::test]
async fn reserved_money_is_released() {
    let bench = Bench::start().await;
    let reserved = bench.stripe.authorize(&reserve("card_ok")).await.unwrap();
    let canceled = bench.stripe.cancel(&cancel(&reserved.provider_id)).await.unwrap();
    assert_eq!(canceled.status, PaymentStatus::Canceled);
    assert_eq!(canceled.captured_minor, 0);
    let refused = bench.stripe.capture(&capture(&reserved.provider_id, None)).await.unwrap_err();
    assert_eq!(refused.code(), "payment_intent_unexpected_state");
    assert_eq!(bench.ledger().await, ["authorization 1998", "cancel 1998"]);
}

#[tokio::test]
async fn a_cancel_that_loses_to_a_capture_shows_the_money() {
    let bench = Bench::start().await;
    let captured = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let refused = bench.stripe.cancel(&cancel(&captured.provider_id)).await.unwrap_err();
    let CallError::NotDone { code, observed: Some(observed), .. } = refused else { panic!("{refused}") };
    assert_eq!(code, "payment_intent_unexpected_state");
    assert_eq!((observed.status, observed.captured_minor), (PaymentStatus::Captured, 1998));
}

#[tokio::test]
async fn a_shopper_confirms_at_the_bank() {
    let bench = Bench::start().await;
    let url = to_the_bank(&bench, "card_3ds").await;
    let (status, page) = bench.get(&url).await;
    assert!(status == 200 && page.contains("outcome"), "{page}");
    assert_eq!(bench.bank_page(&url, "maybe").await, 400);
    assert_eq!(bench.bank_page(&url, "complete").await, 200);
    assert_eq!(bench.bank_page(&url, "complete").await, 409, "once is enough");
    let paid = bench.stripe.retrieve(&look(id_in(&url))).await.unwrap();
    assert_eq!((paid.status, paid.captured_minor), (PaymentStatus::Captured, 1998));
    assert_eq!(bench.ledger().await, ["charge 1998"]);
}

#[tokio::test]
async fn a_shopper_refuses_at_the_bank() {
    let bench = Bench::start().await;
    let url = to_the_bank(&bench, "card_3ds").await;
    let (status, _) = bench.get(&format!("{url}?outcome=fail")).await;
    assert_eq!(status, 200);
    let refused = bench.stripe.retrieve(&look(id_in(&url))).await.unwrap();
    let code = "payment_intent_authentication_failure".to_owned();
    assert_eq!(refused.status, PaymentStatus::Declined { code });
}

#[tokio::test]
async fn a_shopper_who_never_comes_is_canceled() {
    let bench = Bench::start().await;
    let url = to_the_bank(&bench, "card_3ds").await;
    let canceled = bench.stripe.cancel(&cancel(id_in(&url))).await.unwrap();
    assert_eq!(canceled.status, PaymentStatus::Canceled);
    assert_eq!(bench.bank_page(&url, "complete").await, 409);
    assert_eq!(bench.ledger().await, ["cancel 1998"]);
}

async fn to_the_bank(bench: &Bench, method: &str) -> String {
    let waiting = bench.stripe.authorize(&authorize(method)).await.unwrap();
    let PaymentStatus::RequiresAction { next_action: NextAction::Redirect { url } } = waiting.status else {
        panic!("{:?}", waiting.status)
    };
    assert_eq!((waiting.authorized_minor, waiting.captured_minor), (0, 0));
    assert!(url.ends_with(&waiting.provider_id), "{url}");
    url
}

fn id_in(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

fn look(id: &str) -> Retrieve {
    Retrieve { provider_id: id.to_owned(), traceparent: None }
}

fn capture(id: &str, amount: Option<i64>) -> Capture {
    Capture {
        key: key(Operation::Capture),
        provider_id: id.to_owned(),
        amount: amount.map(euro),
        traceparent: None,
    }
}

fn cancel(id: &str) -> Cancel {
    Cancel { key: key(Operation::Cancel), provider_id: id.to_owned(), traceparent: None }
}
