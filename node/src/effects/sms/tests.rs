//! What an answer proves, and the adapter against the catcher and against servers that say nothing.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::twilio::{Answer, judge};
use super::{Sender, SmsError, Text, Twilio, TwilioConfig};
use crate::sms_catcher::{self, Fault};

const TO: &str = "+4930901820";

fn adapter(base_url: &str, token: &str, total_timeout: Duration) -> Twilio {
    Twilio::new(TwilioConfig {
        base_url: Url::parse(base_url).unwrap(),
        account: "AC1".to_owned(),
        token: SecretString::from(token),
        sender: Sender::From("+15005550006".to_owned()),
        total_timeout,
    })
    .unwrap()
}

fn text(body: &str) -> Text {
    Text { to: TO.to_owned(), body: body.to_owned() }
}

async fn catcher() -> sms_catcher::Handle {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    sms_catcher::serve(listener, "AC1".to_owned(), SecretString::from("secret")).unwrap()
}

/// Where an answer is awaited in vain the deadline is short, else so long that no slow machine meets it.
const PATIENT: Duration = Duration::from_secs(20);
const IN_VAIN: Duration = Duration::from_millis(500);

#[test]
fn a_status_proves_only_so_much() {
    let refused = |code: &str| Err(SmsError::Refused { code: code.to_owned() });
    let unknown = |code| Err(SmsError::Unknown { code });
    let after = Some(Duration::from_secs(3));
    let check = |status, body: &str, expect: Result<(), SmsError>| {
        let answer = Answer { status, retry_after: after, body: body.as_bytes().to_vec() };
        assert_eq!(judge(&answer), expect, "{status} {body}");
    };
    check(201, r#"{"sid": "SM1", "status": "queued"}"#, Ok(()));
    check(201, r#"{"sid": ""}"#, unknown("malformed_answer"));
    check(201, "<html>", unknown("malformed_answer"));
    check(202, r#"{"sid": "SM1"}"#, unknown("provider_error"));
    check(302, "", unknown("provider_error"));
    check(400, r#"{"code": 21211, "message": "no number: +4930901820"}"#, refused("21211"));
    check(400, "+4930901820", refused("http_400"));
    check(403, "", refused("http_403"));
    check(404, r#"{"code": "+4930901820"}"#, refused("http_404"));
    check(401, r#"{"code": 20003}"#, Err(SmsError::NotAccepted { code: "unauthorized", after: None }));
    check(408, "", unknown("provider_error"));
    check(429, "", Err(SmsError::NotAccepted { code: "rate_limited", after }));
    for status in [100, 499, 500, 502, 503] {
        check(status, r#"{"code": 21211}"#, unknown("provider_error"));
    }
}

#[tokio::test]
async fn what_was_taken_is_found_and_nothing_else() {
    let catcher = catcher().await;
    let twilio = adapter(&catcher.base_url(), "secret", PATIENT);
    for number in 0..120 {
        twilio.send(&text(&format!("Shop: parcel {number} of order 1001"))).await.unwrap();
    }
    // On the last of its pages.
    assert!(twilio.find(&text("parcel 0 of order 1001"), 0).await.unwrap());
    assert!(!twilio.find(&text("parcel 0 of order 1002"), 0).await.unwrap());
    let elsewhere = Text { to: "+4930901821".to_owned(), ..text("parcel 0 of order 1001") };
    assert!(!twilio.find(&elsewhere, 0).await.unwrap());
    // An earlier shop's with the same numbers.
    assert!(!twilio.find(&text("parcel 0 of order 1001"), i64::MAX).await.unwrap());
    assert_eq!(catcher.texts().len(), 120);
    catcher.shutdown().await;
}

#[tokio::test]
async fn each_fault_is_judged_by_what_it_proves() {
    let catcher = catcher().await;
    let check = async |fault, timeout, expect: &str, is_taken: bool| {
        let body = format!("after {fault:?}");
        catcher.next(fault);
        let twilio = adapter(&catcher.base_url(), "secret", timeout);
        let error = twilio.send(&text(&body)).await.unwrap_err();
        assert_eq!(error.code(), expect, "{fault:?}");
        assert!(!format!("{error} {error:?}").contains(TO));
        assert_eq!(twilio.find(&text(&body), 0).await, Ok(is_taken), "{fault:?}");
    };
    check(Fault::Refuse, PATIENT, "refused", false).await;
    check(Fault::RateLimit, PATIENT, "rate_limited", false).await;
    check(Fault::DropBefore, PATIENT, "connection_lost", false).await;
    check(Fault::DropAfter, PATIENT, "connection_lost", true).await;
    check(Fault::ErrorAfter, PATIENT, "provider_error", true).await;
    check(Fault::Slow { delay_ms: 20_000 }, IN_VAIN, "timeout", true).await;
    let wrong = adapter(&catcher.base_url(), "wrong", PATIENT);
    assert_eq!(wrong.send(&text("x")).await.unwrap_err().code(), "unauthorized");
    // One that may not look proves nothing.
    assert!(matches!(wrong.find(&text("x"), 0).await, Err(SmsError::Unknown { .. })));
    catcher.shutdown().await;
}

#[tokio::test]
async fn nobody_there_means_not_accepted_and_no_whole_answer_means_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let nobody = adapter(&base, "secret", PATIENT);
    let connect = SmsError::NotAccepted { code: "connect", after: None };
    assert_eq!(nobody.send(&text("x")).await, Err(connect));

    let check = async |answer: &'static [u8], hang: bool, expect: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer).await;
            if hang {
                tokio::time::sleep(PATIENT).await;
            }
        });
        let timeout = if hang { IN_VAIN } else { PATIENT };
        let error = adapter(&base, "secret", timeout).send(&text("x")).await.unwrap_err();
        assert_eq!(error, SmsError::Unknown { code: error.code() }, "{answer:?}");
        assert_eq!(error.code(), expect, "{answer:?}");
        server.abort();
    };
    check(b"", true, "timeout").await;
    check(b"HTTP/1.1 201 Created\r\ncontent-length: 50\r\n\r\n{\"sid\"", true, "timeout").await;
    check(b"HTTP/1.1 201 Created\r\ncontent-length: 50\r\n\r\n{\"sid\"", false, "connection_lost").await;
    check(b"SSH-2.0-OpenSSH\r\n", false, "connection_lost").await;
}

#[test]
fn the_token_goes_to_this_machine_or_over_tls() {
    let config = |base_url: &str, token: &str| TwilioConfig {
        base_url: Url::parse(base_url).unwrap(),
        account: "AC1".to_owned(),
        token: SecretString::from(token),
        sender: Sender::MessagingService("MG1".to_owned()),
        total_timeout: PATIENT,
    };
    assert!(Twilio::new(config("https://api.twilio.com", "canary")).is_ok());
    assert!(Twilio::new(config("http://sms.example.com", "canary")).is_err());
    assert!(Twilio::new(config("https://api.twilio.com", "")).is_err());
    let shown = format!("{:?}", Twilio::new(config("http://127.0.0.1:1", "canary")).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}
