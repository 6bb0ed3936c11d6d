//! The adapter and servers that are not there, say nothing, or say nonsense.

use std::time::Duration;

use secrecy::SecretString;
use shop::{Currency, Money};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{API_VERSION, Stripe, StripeConfig};
use crate::effects::provider::{
    Authorize, CallError, CaptureMode, IdempotencyKey, Operation, PaymentProvider, codes,
};

/// Where an answer is awaited in vain the deadline is short, else so long that no slow machine meets it.
fn adapter(base_url: String, in_vain: bool) -> Stripe {
    let config = StripeConfig::new("stripe", base_url, SecretString::from("sk_canary"));
    let total_timeout = if in_vain { Duration::from_millis(500) } else { Duration::from_secs(20) };
    Stripe::new(StripeConfig { total_timeout, ..config }).unwrap()
}

fn authorize() -> Authorize {
    Authorize {
        key: IdempotencyKey::new("pay_1", Operation::Authorize, 1),
        attempt_id: "pay_1".to_owned(),
        order_id: "ord_1".to_owned(),
        amount: Money::new(1998, Currency::EUR),
        method: "pm_card_visa".to_owned(),
        capture: CaptureMode::Manual,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }
}

/// A server that reads one request, answers these bytes, and then keeps the connection open or not.
async fn server(answer: Vec<u8>, hang: bool) -> (Stripe, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stripe = adapter(format!("http://{}", listener.local_addr().unwrap()), hang);
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&request).contains("expand") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "a whole request");
            request.extend_from_slice(&buffer[..read]);
        }
        // The client may hang up as soon as it has seen enough.
        let _ = stream.write_all(&answer).await;
        if hang {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        String::from_utf8(request).unwrap()
    });
    (stripe, request)
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn failure(answer: Vec<u8>, hang: bool) -> CallError {
    let (stripe, request) = server(answer, hang).await;
    let error = stripe.authorize(&authorize()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    request.abort();
    error
}

#[tokio::test]
async fn nobody_there_means_nothing_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = adapter(format!("http://{address}"), false).authorize(&authorize()).await.unwrap_err();
    assert_eq!((error.code(), error.may_be_done()), (codes::CONNECT, false));
}

#[tokio::test]
async fn no_whole_answer_means_unknown() {
    let check = async |answer: &[u8], hang: bool, expect: &str| {
        let error = failure(answer.to_vec(), hang).await;
        assert_eq!(
            (error.code(), error.may_be_done()),
            (expect, true),
            "{:?}",
            String::from_utf8_lossy(answer)
        );
    };
    check(b"", true, codes::TIMEOUT).await;
    check(b"", false, codes::CONNECTION_LOST).await;
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\"", true, codes::TIMEOUT).await;
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\"", false, codes::CONNECTION_LOST).await;
    check(b"SSH-2.0-OpenSSH\r\n", false, codes::CONNECTION_LOST).await;
    check(&http("200 OK", "<html>"), false, codes::MALFORMED_ANSWER).await;
    let good = r#"{"id":"pi_1","amount":1,"currency":"eur","status":"succeeded","created":1}"#;
    let too_large = format!("{good}{}", " ".repeat(300_000));
    check(&http("200 OK", &too_large), false, codes::MALFORMED_ANSWER).await;
    check(&http("302 Found\r\nlocation: http://127.0.0.1:1/", ""), false, codes::PROVIDER_ERROR).await;
    let body = r#"{"id":"pi_1","amount":1,"currency":"eur","status":"requires_action","created":1,
        "next_action":{"type":"redirect_to_url","redirect_to_url":{"url":"javascript:alert(1)"}}}"#;
    check(&http("200 OK", body), false, codes::MALFORMED_ANSWER).await;
}

#[tokio::test]
async fn the_request_is_what_the_protocol_asks_for() {
    let body = r#"{"id":"pi_1","amount":1998,"amount_capturable":1998,"currency":"eur","status":"requires_capture","created":1}"#;
    let (stripe, request) = server(http("200 OK", body), false).await;
    stripe.authorize(&authorize()).await.unwrap();
    let request = request.await.unwrap();
    let (head, form) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/payment_intents http/1.1\r\n"), "{head}");
    for line in [
        "authorization: bearer sk_canary",
        "idempotency-key: pay_1:authorize:1",
        "content-type: application/x-www-form-urlencoded",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        &format!("stripe-version: {API_VERSION}"),
    ] {
        assert!(head.lines().any(|header| header == line), "{line} in {head}");
    }
    assert_eq!(
        form,
        "amount=1998&currency=eur&payment_method=pm_card_visa&payment_method_types%5B%5D=card&confirm=true\
         &metadata%5Battempt%5D=pay_1&metadata%5Border%5D=ord_1&capture_method=manual\
         &expand%5B%5D=latest_charge.refunds"
    );
}
