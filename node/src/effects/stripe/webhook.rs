//! Signed webhooks of the provider: who sent it, when, and what it proves.
//!
//! Source: <https://docs.stripe.com/webhooks#verify-manually>. The time is a parameter; nothing here looks at a
//! clock.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::objects::{Charge, Intent, Malformed, RefundObject, brief};
use crate::effects::provider::{Observed, ObservedRefund, Source};

/// A signature older or younger than this is refused: what was recorded cannot be replayed later.
pub const TOLERANCE_S: i64 = 300;
/// Larger bodies are refused unread.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
const MAX_HEADER_BYTES: usize = 4096;
const MAX_SIGNATURES: usize = 16;

/// The endpoint's signing secret, and the one before it while they are being rotated.
#[derive(Clone)]
pub struct SigningSecrets {
    pub current: SecretString,
    pub previous: Option<SecretString>,
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningSecrets").field("rotating", &self.previous.is_some()).finish_non_exhaustive()
    }
}

/// A webhook that is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's id of the event: the same when it is sent again.
    pub id: String,
    /// Stripe's name of it, as in `payment_intent.succeeded`.
    pub kind: String,
    /// When it happened, seconds since 1970.
    pub created_s: i64,
    pub notice: Notice,
}

/// What an event tells. A payment or refund without our ids in its metadata is not one of ours: see
/// `Observed::attempt_id` and `ObservedRefund::attempt_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Payment(Observed),
    Refund(ObservedRefund),
    /// Nothing that concerns the shop: acknowledge it and forget it.
    Ignored,
}

/// Why a webhook is refused. The sender sees no more than the status; the code is for our own log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("the Stripe-Signature header is missing or not of the form t=…,v1=…")]
    Header,
    #[error("the signature is more than {TOLERANCE_S} s away from our clock")]
    Timestamp,
    #[error("no signature of the webhook fits a signing secret")]
    Signature,
    #[error("the body is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body is not an event: {0}")]
    Body(String),
}

impl WebhookError {
    /// The stable code of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            WebhookError::Header => "webhook_signature_header_invalid",
            WebhookError::Timestamp => "webhook_timestamp_out_of_range",
            WebhookError::Signature => "webhook_signature_mismatch",
            WebhookError::TooLarge => "webhook_too_large",
            WebhookError::Body(_) => "webhook_body_invalid",
        }
    }
}

/// Verifies a webhook and reads it. `signature_header` is the value of `Stripe-Signature`, `body` the bytes as they
/// came, `now_s` the time in seconds since 1970.
pub fn receive(
    signature_header: Option<&str>,
    body: &[u8],
    now_s: i64,
    secrets: &SigningSecrets,
) -> Result<Event, WebhookError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(WebhookError::TooLarge);
    }
    let signed = Signed::parse(signature_header.ok_or(WebhookError::Header)?)?;
    let fits = [Some(&secrets.current), secrets.previous.as_ref()]
        .into_iter()
        .flatten()
        .any(|secret| signed.fits(secret, body));
    // The signature first: it covers the timestamp, and a stranger learns nothing of our clock.
    if !fits {
        return Err(WebhookError::Signature);
    }
    if now_s.checked_sub(signed.timestamp_s).is_none_or(|age| age.abs() > TOLERANCE_S) {
        return Err(WebhookError::Timestamp);
    }
    parse(body)
}

struct Signed<'a> {
    timestamp_s: i64,
    /// As it was written: that is what was signed.
    timestamp: &'a str,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Signed<'a> {
    fn parse(header: &'a str) -> Result<Self, WebhookError> {
        if header.len() > MAX_HEADER_BYTES {
            return Err(WebhookError::Header);
        }
        let mut timestamp = None;
        let mut signatures = Vec::new();
        for part in header.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(WebhookError::Header)?;
            match name {
                "t" if timestamp.is_some() => return Err(WebhookError::Header),
                "t" => timestamp = Some(value),
                "v1" => signatures.extend(unhex(value)),
                // Other schemes, now v0 for test events, are not ours to judge.
                _ => {}
            }
        }
        let timestamp = timestamp.ok_or(WebhookError::Header)?;
        let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp_s = timestamp.parse().ok().filter(|_| digits).ok_or(WebhookError::Header)?;
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(WebhookError::Header);
        }
        Ok(Signed { timestamp_s, timestamp, signatures })
    }

    /// Compares in constant time.
    fn fits(&self, secret: &SecretString, body: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            return false;
        };
        mac.update(self.timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

fn parse(body: &[u8]) -> Result<Event, WebhookError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| refuse(&error))?;
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    let fine = |text: &str| !text.is_empty() && text.len() <= 255 && text.bytes().all(word);
    if !fine(&envelope.id) || !fine(&envelope.kind) {
        return Err(WebhookError::Body("an id or type that is no word".to_owned()));
    }
    let source = Source::Webhook { event_id: envelope.id.clone() };
    let notice = notice(&envelope.kind, envelope.data.object, source)?;
    Ok(Event { id: envelope.id, kind: envelope.kind, created_s: envelope.created, notice })
}

fn notice(kind: &str, object: Value, source: Source) -> Result<Notice, WebhookError> {
    let malformed = |error: Malformed| WebhookError::Body(brief(&error.to_string()));
    Ok(match kind {
        "charge.refunded" => {
            let charge: Charge = serde_json::from_value(object).map_err(|error| refuse(&error))?;
            Notice::Payment(charge.observed(source).map_err(malformed)?)
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let refund: RefundObject = serde_json::from_value(object).map_err(|error| refuse(&error))?;
            Notice::Refund(refund.observed(source).map_err(malformed)?)
        }
        payment if payment.starts_with("payment_intent.") => {
            let intent: Intent = serde_json::from_value(object).map_err(|error| refuse(&error))?;
            Notice::Payment(intent.observed(source).map_err(malformed)?)
        }
        _ => Notice::Ignored,
    })
}

/// The parser's complaint quotes what it read; only where it stood is kept.
fn refuse(error: &serde_json::Error) -> WebhookError {
    WebhookError::Body(format!(
        "{:?} error at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    ))
}

#[cfg(test)]
mod tests;
