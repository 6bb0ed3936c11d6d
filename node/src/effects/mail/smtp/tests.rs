//! The mailer and servers of every temper.

mod server;

use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{Mailer, MailerConfig, MailerError, Security};
use crate::effects::mail::templates::Rendered;
use crate::effects::mail::{Mail, MailError, message_id};
use crate::mail_catcher;
use server::{Protection, Scripted};

fn mail() -> Mail {
    Mail {
        to: "ada@example.com".to_owned(),
        message_id: message_id("ntf_1", "shop.example"),
        date_s: 1_700_000_000,
        content: Rendered {
            subject: "Grüne Teehandlung: order 7 confirmed".to_owned(),
            text: "Thank you.\n.\nA dot alone on a line.\n".to_owned(),
            html: "<p>Thank you.</p>\n".to_owned(),
        },
    }
}

fn config(port: u16, security: Security) -> MailerConfig {
    MailerConfig::new("127.0.0.1", port, security, "Tea Shop <shop@example.com>")
}

#[tokio::test]
async fn a_mail_arrives_in_the_catcher_and_twice_is_the_same() {
    let smtp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let catcher = mail_catcher::serve(smtp, http).unwrap();
    let mailer = Mailer::new(&config(catcher.smtp_address().port(), Security::Plain)).unwrap();
    mailer.send(&mail()).await.unwrap();
    mailer.send(&mail()).await.unwrap();
    let get = async |path: &str| {
        let url = format!("http://{}{path}", catcher.http_address());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().text().await.unwrap()
    };
    let list: serde_json::Value = serde_json::from_str(&get("/mail").await).unwrap();
    let first = &list["data"][0];
    assert_eq!(first["to"], serde_json::json!(["ada@example.com"]));
    assert_eq!(first["from"], "shop@example.com");
    assert_eq!(first["subject"], "Grüne Teehandlung: order 7 confirmed");
    assert_eq!(first["message_id"], "<ntf_1@shop.example>");
    let raw = get("/mail/1").await;
    assert_eq!(raw, get("/mail/2").await, "the same bytes");
    assert!(raw.contains("Thank you.\r\n.\r\nA dot alone"), "{raw}");
}

/// What a server's reply to a command means for the mail.
async fn outcome(command: &'static str, reply: &'static str) -> Result<(), MailError> {
    let server = Scripted::start(Protection::None, vec![(command, reply)]).await;
    let config = MailerConfig {
        user: Some("shop".to_owned()),
        password: Some(SecretString::from("canary")),
        ..config(server.port, Security::Plain)
    };
    let mailer = Mailer::new(&config).unwrap();
    assert!(!format!("{config:?} {mailer:?}").contains("canary"));
    mailer.send(&mail()).await
}

#[tokio::test]
async fn a_reply_says_whether_to_try_again() {
    let check = async |command, reply, expect: Result<&(), (&str, bool)>| {
        let got = outcome(command, reply).await;
        if let Err(error) = &got {
            assert!(!error.to_string().contains("ada@"), "{error}");
        }
        let got = got.as_ref().map_err(|error| (error.code(), error.is_permanent()));
        assert_eq!(got, expect, "{command}: {reply}");
    };
    check("NOOP", "250 ok", Ok(&())).await;
    check("RCPT", "550 no such user ada@example.com", Err(("mail_refused", true))).await;
    check("RCPT", "451 greylisted", Err(("mail_deferred", false))).await;
    check("MAIL", "552 over quota", Err(("mail_refused", true))).await;
    check("DATA", "421 closing", Err(("mail_deferred", false))).await;
    check(".", "554 spam", Err(("mail_refused", true))).await;
    check("AUTH", "535 wrong password", Err(("mail_authentication", false))).await;
    check("MAIL", "530 authenticate first", Err(("mail_authentication", false))).await;
    check("connect", "521 no mail here", Err(("mail_server_refuses", false))).await;
    check("connect", "hang up", Err(("mail_connection", false))).await;
    check(".", "hang up", Err(("mail_connection", false))).await;
}

#[tokio::test]
async fn nobody_there_or_nobody_talking_is_for_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let short =
        |port| MailerConfig { total_timeout: Duration::from_millis(500), ..config(port, Security::Plain) };
    let silent = Mailer::new(&short(port)).unwrap().send(&mail()).await.unwrap_err();
    assert_eq!((silent.code(), silent.is_permanent()), ("mail_timeout", false));
    drop(listener);
    let away = Mailer::new(&config(port, Security::Plain)).unwrap().send(&mail()).await.unwrap_err();
    assert_eq!((away.code(), away.is_permanent()), ("mail_connection", false));
}

#[tokio::test]
async fn a_trusted_server_gets_the_mail_encrypted() {
    for (security, protection) in
        [(Security::StartTls, Protection::StartTls), (Security::Tls, Protection::Tls)]
    {
        let server = Scripted::start(protection, Vec::new()).await;
        let trusting = MailerConfig {
            extra_ca_pem: Some(server.ca_pem.clone().into_bytes()),
            ..config(server.port, security)
        };
        Mailer::new(&trusting).unwrap().send(&mail()).await.unwrap();
        assert_eq!(server.encrypted_mails(), 1, "{security:?}");
        let stranger = Mailer::new(&config(server.port, security)).unwrap();
        let error = stranger.send(&mail()).await.unwrap_err();
        assert!(!error.is_permanent(), "{security:?}: {error}");
        assert_eq!(server.encrypted_mails(), 1, "a server that nobody vouches for gets nothing");
    }
}

#[tokio::test]
async fn without_the_required_protection_nothing_is_said() {
    let server = Scripted::start(Protection::None, Vec::new()).await;
    let error =
        Mailer::new(&config(server.port, Security::StartTls)).unwrap().send(&mail()).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("mail_server_lacks_extension", false));
    assert!(!server.said().iter().any(|line| line.starts_with("MAIL")), "{:?}", server.said());
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_once() {
    let check = |config: MailerConfig, expect: &str| {
        let code = Mailer::new(&config).map_or_else(|error: MailerError| error.code(), |_| "fine");
        assert_eq!(code, expect, "{config:?}");
    };
    let plain = config(25, Security::Plain);
    check(plain.clone(), "fine");
    check(MailerConfig { host: "localhost".to_owned(), ..plain.clone() }, "fine");
    check(MailerConfig { host: "mail.example".to_owned(), ..plain.clone() }, "mail_insecure");
    check(
        MailerConfig { from: "Tea\r\nBcc: eve@example.com".to_owned(), ..plain.clone() },
        "mail_from_invalid",
    );
    check(MailerConfig { from: "nobody".to_owned(), ..plain.clone() }, "mail_from_invalid");
    check(MailerConfig { user: Some("x".to_owned()), ..plain }, "mail_credentials_incomplete");
    let bad_ca = MailerConfig {
        extra_ca_pem: Some(b"-----BEGIN CERTIFICATE-----".to_vec()),
        ..config(25, Security::Tls)
    };
    check(bad_ca, "mail_tls_invalid");
}
