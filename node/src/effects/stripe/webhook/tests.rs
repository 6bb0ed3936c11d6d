use secrecy::SecretString;

use super::{Event, Notice, SigningSecrets, TOLERANCE_S, WebhookError, receive};
use crate::effects::provider::{PaymentStatus, RefundStatus, Source};

const NOW_S: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","type":"customer.created","created":1699999999,"data":{"object":{}}}"#;
/// `printf '%s' "1700000000.$BODY" | openssl dgst -sha256 -hmac whsec_first`
const SIGNATURE: &str = "53cdf316e77eb1c02762e024e4ea415b8e51afcc0c7f0675bcee8131c4d6e8d6";

fn secrets(current: &str, previous: Option<&str>) -> SigningSecrets {
    SigningSecrets { current: SecretString::from(current), previous: previous.map(SecretString::from) }
}

fn code(header: Option<&str>, body: &[u8], now_s: i64, secrets: &SigningSecrets) -> &'static str {
    receive(header, body, now_s, secrets).map_or_else(|error| error.code(), |_| "genuine")
}

#[test]
fn only_a_fresh_signature_over_these_bytes_is_genuine() {
    let first = secrets("whsec_first", None);
    let good = format!("t={NOW_S},v1={SIGNATURE}");
    let check = |header: &str, body: &[u8], now_s: i64, expect: &str| {
        assert_eq!(code(Some(header), body, now_s, &first), expect, "{header} at {now_s}");
    };
    let zeros = "0".repeat(64);
    check(&good, BODY, NOW_S, "genuine");
    check(&good, BODY, NOW_S + TOLERANCE_S, "genuine");
    check(&good, BODY, NOW_S - TOLERANCE_S, "genuine");
    check(&good, BODY, NOW_S + TOLERANCE_S + 1, "webhook_timestamp_out_of_range");
    check(&good, BODY, NOW_S - TOLERANCE_S - 1, "webhook_timestamp_out_of_range");
    check(&good, b"{}", NOW_S, "webhook_signature_mismatch");
    check(&format!("t={},v1={SIGNATURE}", NOW_S + 1), BODY, NOW_S, "webhook_signature_mismatch");
    check(&format!("t={NOW_S},v1={zeros}"), BODY, NOW_S, "webhook_signature_mismatch");
    check(&format!("t={NOW_S},v1={zeros},v1={SIGNATURE},v0=x"), BODY, NOW_S, "genuine");
    check(&format!("t=+{NOW_S},v1={SIGNATURE}"), BODY, NOW_S, "webhook_signature_header_invalid");
    check(&format!("v1={SIGNATURE}"), BODY, NOW_S, "webhook_signature_header_invalid");
    check(&format!("t={NOW_S},t=1,v1={SIGNATURE}"), BODY, NOW_S, "webhook_signature_header_invalid");
    check(&format!("t={NOW_S}"), BODY, NOW_S, "webhook_signature_header_invalid");
    check(&format!("t={NOW_S},v1=zz"), BODY, NOW_S, "webhook_signature_header_invalid");
    check(&format!("t=99999999999999999999,v1={SIGNATURE}"), BODY, NOW_S, "webhook_signature_header_invalid");
    check("", BODY, NOW_S, "webhook_signature_header_invalid");
    check(
        &format!("t={NOW_S}{}", format!(",v1={zeros}").repeat(17)),
        BODY,
        NOW_S,
        "webhook_signature_header_invalid",
    );
    assert_eq!(code(None, BODY, NOW_S, &first), "webhook_signature_header_invalid");
    assert_eq!(code(Some(&good), &vec![b' '; 300_000], NOW_S, &first), "webhook_too_large");
}

#[test]
fn while_a_secret_is_rotated_both_fit() {
    let header = format!("t={NOW_S},v1={SIGNATURE}");
    let check = |current: &str, previous: Option<&str>, expect: &str| {
        assert_eq!(code(Some(&header), BODY, NOW_S, &secrets(current, previous)), expect);
    };
    check("whsec_second", Some("whsec_first"), "genuine");
    check("whsec_second", Some("whsec_third"), "webhook_signature_mismatch");
    check("whsec_second", None, "webhook_signature_mismatch");
    assert!(!format!("{:?}", secrets("canary", Some("canary"))).contains("canary"));
}

fn parsed(body: &str) -> Result<Event, WebhookError> {
    super::parse(body.as_bytes())
}

fn event(kind: &str, object: &str) -> String {
    format!(r#"{{"id":"evt_9","type":"{kind}","created":5,"data":{{"object":{object}}}}}"#)
}

#[test]
fn a_payment_event_shows_the_payment() {
    let intent = r#"{"id":"pi_1","object":"payment_intent","amount":1998,"amount_capturable":0,"amount_received":1998,
        "currency":"eur","status":"succeeded","created":7,"metadata":{"attempt":"pay_A","order":"ord_B"},
        "latest_charge":"ch_1","next_action":null,"last_payment_error":null}"#;
    let Notice::Payment(observed) = parsed(&event("payment_intent.succeeded", intent)).unwrap().notice else {
        panic!("a payment")
    };
    assert_eq!(observed.provider_id, "pi_1");
    assert_eq!(observed.attempt_id.as_deref(), Some("pay_A"));
    assert_eq!(observed.order_id.as_deref(), Some("ord_B"));
    assert_eq!(observed.status, PaymentStatus::Captured);
    assert_eq!((observed.authorized_minor, observed.captured_minor), (1998, 1998));
    assert_eq!(observed.amount.to_string(), "19.98 EUR");
    assert!(!observed.refunds_complete, "a webhook does not show refunds");
    assert_eq!(observed.source, Source::Webhook { event_id: "evt_9".to_owned() });
}

#[test]
fn a_stranger_is_told_by_its_lack_of_an_attempt() {
    let check = |metadata: &str| {
        let intent = format!(
            r#"{{"id":"pi_1","amount":5,"currency":"eur","status":"processing","created":7,"metadata":{metadata}}}"#
        );
        let Notice::Payment(observed) = parsed(&event("payment_intent.processing", &intent)).unwrap().notice
        else {
            panic!("a payment")
        };
        assert_eq!(observed.attempt_id, None, "{metadata}");
    };
    check("{}");
    check("null");
    check(r#"{"attempt":""}"#);
    check(r#"{"attempt":"a b"}"#);
    check(r#"{"attempt":7}"#);
}

#[test]
fn refunds_are_told_by_charge_and_by_refund_events() {
    let charge = r#"{"id":"ch_1","amount":1000,"amount_captured":1000,"amount_refunded":400,"captured":true,
        "currency":"eur","status":"succeeded","created":7,"payment_intent":"pi_1","metadata":{"attempt":"pay_A"}}"#;
    let Notice::Payment(observed) = parsed(&event("charge.refunded", charge)).unwrap().notice else {
        panic!("a payment")
    };
    assert_eq!((observed.provider_id.as_str(), observed.refunded_minor), ("pi_1", 400));
    let refund = r#"{"id":"re_1","amount":400,"currency":"eur","status":"failed","failure_reason":"lost_or_stolen_card",
        "created":8,"payment_intent":"pi_1","metadata":{"refund":"ref_C","attempt":"pay_A"}}"#;
    let Notice::Refund(observed) = parsed(&event("refund.failed", refund)).unwrap().notice else {
        panic!("a refund")
    };
    assert_eq!(observed.refund_id.as_deref(), Some("ref_C"));
    assert_eq!(observed.status, RefundStatus::Failed { code: "lost_or_stolen_card".to_owned() });
}

#[test]
fn what_is_no_event_is_refused_and_quotes_nothing() {
    let check = |body: &str| {
        let error = parsed(body).unwrap_err();
        assert_eq!(error.code(), "webhook_body_invalid", "{body}");
        assert!(!error.to_string().contains("canary"), "{error}");
    };
    check("");
    check("[]");
    check(r#"{"id":"evt_1"}"#);
    check(&event("payment_intent.succeeded", r#"{"id":"canary"}"#));
    check(&event("payment_intent.succeeded", r#""canary""#));
    let intent = |amount: &str, currency: &str, status: &str| {
        format!(
            r#"{{"id":"pi_1","amount":{amount},"currency":"{currency}","status":"{status}","created":1}}"#
        )
    };
    check(&event("payment_intent.x", &intent("-1", "eur", "succeeded")));
    check(&event("payment_intent.x", &intent("99999999999999999999", "eur", "succeeded")));
    check(&event("payment_intent.x", &intent("1", "e", "succeeded")));
    check(&event("payment_intent.x", &intent("1", "eur", "levitating")));
    check(&event("pay\\nment", "{}"));
    assert_eq!(parsed(&event("invoice.paid", "{}")).unwrap().notice, Notice::Ignored);
}
