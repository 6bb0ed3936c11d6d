//! Who may charge: whoever has the API key, as a bearer token or as the user of basic authentication.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;

pub(super) fn check(headers: &HeaderMap, api_key: &SecretString) -> Result<(), Refusal> {
    let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(key_in);
    let fits =
        presented.is_some_and(|key| bool::from(key.as_bytes().ct_eq(api_key.expose_secret().as_bytes())));
    if fits {
        return Ok(());
    }
    let status = StatusCode::UNAUTHORIZED;
    Err(Refusal::new(status, "invalid_request_error", "api_key_invalid", "Invalid API key provided."))
}

fn key_in(header: &str) -> Option<String> {
    match header.split_once(' ')? {
        ("Bearer", key) => Some(key.to_owned()),
        ("Basic", encoded) => {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
            decoded.split(':').next().map(str::to_owned)
        }
        _ => None,
    }
}
