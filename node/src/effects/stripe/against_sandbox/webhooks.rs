use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use super::bench::{Bench, WEBHOOK_SECRET, authorize, key, reserve};
use crate::clock::SystemClock;
use crate::effects::provider::{
    Authorize, Capture, IdempotencyKey, Operation, PaymentProvider, PaymentStatus, Refund, Source,
};
use crate::effects::stripe::webhook::{Event, Notice, SigningSecrets, receive};

/// What a shop's endpoint got: the signature and the body, as they came.
#[derive(Clone, Default)]
struct Endpoint {
    got: Arc<Mutex<Vec<(String, Bytes)>>>,
    refuse: Arc<Mutex<u32>>,
}

impl Endpoint {
    async fn start(bench: &Bench) -> Endpoint {
        let endpoint = Endpoint::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/stripe", listener.local_addr().unwrap());
        let router = Router::new().route("/hooks/stripe", post(take)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        bench.control(json!({"webhook_url": url, "webhooks": {"concurrency": 1}})).await;
        endpoint
    }

    /// Waits until so many came, and reads them.
    async fn events(&self, count: usize) -> Vec<Event> {
        let all = async {
            loop {
                let got = self.got.lock().unwrap().clone();
                if got.len() >= count {
                    return got;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let got = tokio::time::timeout(Duration::from_secs(30), all).await.expect("webhooks in time");
        assert_eq!(got.len(), count);
        let now_s = now_s();
        got.iter()
            .map(|(header, body)| receive(Some(header), body, now_s, &secrets(WEBHOOK_SECRET)).unwrap())
            .collect()
    }
}

async fn take(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> StatusCode {
    {
        let mut refuse = endpoint.refuse.lock().unwrap();
        if *refuse > 0 {
            *refuse -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    let signature = headers.get("stripe-signature").unwrap().to_str().unwrap().to_owned();
    endpoint.got.lock().unwrap().push((signature, body));
    StatusCode::OK
}

fn secrets(current: &str) -> SigningSecrets {
    SigningSecrets { current: SecretString::from(current), previous: None }
}

fn now_s() -> i64 {
    (SystemClock::start().now_ms() / 1000) as i64
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

async fn reserve_and_capture(bench: &Bench) -> String {
    let reserved = bench.stripe.authorize(&reserve("card_ok")).await.unwrap();
    let capture = Capture {
        key: key(Operation::Capture),
        provider_id: reserved.provider_id.clone(),
        amount: None,
        traceparent: None,
    };
    bench.stripe.capture(&capture).await.unwrap();
    reserved.provider_id
}

#[tokio::test]
async fn what_happens_is_told_signed() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::start(&bench).await;
    let provider_id = reserve_and_capture(&bench).await;
    let events = endpoint.events(3).await;
    let expect =
        ["payment_intent.created", "payment_intent.amount_capturable_updated", "payment_intent.succeeded"];
    assert_eq!(kinds(&events), expect);
    let Notice::Payment(last) = &events[2].notice else { panic!("a payment") };
    assert_eq!((last.provider_id.as_str(), &last.status), (provider_id.as_str(), &PaymentStatus::Captured));
    assert_eq!(last.attempt_id.as_deref(), Some("pay_1"));
    assert_eq!(last.source, Source::Webhook { event_id: events[2].id.clone() });
}

#[tokio::test]
async fn a_wrong_secret_and_an_old_signature_are_refused() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::start(&bench).await;
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    endpoint.events(2).await;
    let (header, body) = endpoint.got.lock().unwrap()[0].clone();
    let code = |header: &str, body: &[u8], now_s: i64, secret: &str| {
        receive(Some(header), body, now_s, &secrets(secret)).map_or_else(|error| error.code(), |_| "genuine")
    };
    assert_eq!(code(&header, &body, now_s(), WEBHOOK_SECRET), "genuine");
    assert_eq!(code(&header, &body, now_s(), "whsec_wrong"), "webhook_signature_mismatch");
    assert_eq!(code(&header, &body, now_s() + 400, WEBHOOK_SECRET), "webhook_timestamp_out_of_range");
    assert_eq!(code(&header, &body, now_s() - 400, WEBHOOK_SECRET), "webhook_timestamp_out_of_range");
    let mut forged = body.to_vec();
    let place = forged.iter().position(|byte| *byte == b'1').unwrap();
    forged[place] = b'2';
    assert_eq!(code(&header, &forged, now_s(), WEBHOOK_SECRET), "webhook_signature_mismatch");
}

#[tokio::test]
async fn the_same_event_may_come_twice() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::start(&bench).await;
    bench.control(json!({"webhooks": {"copies": 2}})).await;
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let events = endpoint.events(4).await;
    assert_eq!(events[0], events[1]);
    assert_eq!(events[2], events[3]);
    assert_ne!(events[0].id, events[2].id);
}

#[tokio::test]
async fn events_may_come_out_of_order() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::start(&bench).await;
    bench.control(json!({"webhooks": {"order": "reversed", "delay_ms": 3000}})).await;
    reserve_and_capture(&bench).await;
    let events = endpoint.events(3).await;
    let expect =
        ["payment_intent.succeeded", "payment_intent.amount_capturable_updated", "payment_intent.created"];
    assert_eq!(kinds(&events), expect);
}

#[tokio::test]
async fn events_may_come_late_or_never() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::start(&bench).await;
    bench.control(json!({"webhooks": {"mode": "off"}})).await;
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    bench.control(json!({"webhooks": {"mode": "hold"}})).await;
    let second = Authorize {
        key: IdempotencyKey::new("pay_2", Operation::Authorize, 1),
        attempt_id: "pay_2".to_owned(),
        ..authorize("card_ok")
    };
    bench.stripe.authorize(&second).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(endpoint.got.lock().unwrap().is_empty());
    bench.control(json!({"release": "reversed"})).await;
    let events = endpoint.events(2).await;
    assert_eq!(kinds(&events), ["payment_intent.succeeded", "payment_intent.created"]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_told_again() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::start(&bench).await;
    *endpoint.refuse.lock().unwrap() = 1;
    bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let mut events = endpoint.events(2).await;
    events.sort_by(|a, b| a.kind.cmp(&b.kind));
    assert_eq!(kinds(&events), ["payment_intent.created", "payment_intent.succeeded"]);
}

#[tokio::test]
async fn refunds_are_told_with_their_charge() {
    let bench = Bench::start().await;
    let paid = bench.stripe.authorize(&authorize("card_ok")).await.unwrap();
    let endpoint = Endpoint::start(&bench).await;
    bench.control(json!({"refunds": {"outcome": "failed", "settle_after_ms": 50}})).await;
    let refund = Refund {
        key: key(Operation::Refund),
        provider_id: paid.provider_id.clone(),
        refund_id: "ref_1".to_owned(),
        attempt_id: "pay_1".to_owned(),
        order_id: "ord_1".to_owned(),
        amount: paid.amount,
        traceparent: None,
    };
    bench.stripe.refund(&refund).await.unwrap();
    let events = endpoint.events(3).await;
    assert_eq!(kinds(&events), ["refund.created", "charge.refunded", "refund.failed"]);
    let Notice::Payment(charge) = &events[1].notice else { panic!("a payment") };
    assert_eq!((charge.provider_id.as_str(), charge.refunded_minor), (paid.provider_id.as_str(), 1998));
    let Notice::Refund(failed) = &events[2].notice else { panic!("a refund") };
    assert_eq!(failed.refund_id.as_deref(), Some("ref_1"));
}
