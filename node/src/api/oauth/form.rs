//! Reads the request for a token: the form, and who the client says that it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};

use super::refusal::Refused;
use crate::gateway::form_pairs;

/// The parameters that count; others are ignored.
#[derive(Default)]
pub(super) struct Form {
    client_id: Option<String>,
    client_secret: Option<String>,
    pub scope: Option<String>,
}

impl Form {
    pub fn read(body: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Refused::new("invalid_request", "the body is not UTF-8"))?;
        let (mut form, mut grant_type) = (Self::default(), None);
        for (name, value) in form_pairs(text) {
            let place = match name.as_str() {
                "grant_type" => &mut grant_type,
                "client_id" => &mut form.client_id,
                "client_secret" => &mut form.client_secret,
                "scope" => &mut form.scope,
                // Others must be ignored (section 3.2).
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Refused::new("invalid_request", "a parameter is sent twice"));
            }
        }
        match grant_type.as_deref() {
            Some("client_credentials") => Ok(form),
            Some(_) => Err(Refused::new("unsupported_grant_type", "grant_type is client_credentials")),
            None => Err(Refused::new("invalid_request", "grant_type is missing")),
        }
    }
}

/// Id and secret, by HTTP Basic or in the form, never both (section 2.3.1).
pub(super) fn credentials(headers: &HeaderMap, form: &Form) -> Result<(String, String), Refused> {
    let in_form = (form.client_id.clone(), form.client_secret.clone());
    let Some(field) = headers.get(AUTHORIZATION) else {
        return match in_form {
            (Some(id), Some(secret)) => Ok((id, secret)),
            _ => Err(Refused::client()),
        };
    };
    if in_form.1.is_some() {
        return Err(Refused::new("invalid_request", "the client authenticates in two ways"));
    }
    let basic = field.to_str().ok().and_then(|text| text.split_once(' '));
    let encoded =
        basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).map(|(_, encoded)| encoded.trim());
    let decoded = encoded.and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    // Both were encoded as in a form before they were joined (appendix B).
    let plain = |text: &str| form_pairs(text).into_iter().next().map_or_else(String::new, |(name, _)| name);
    match pair {
        Some((id, secret)) if in_form.0.as_ref().is_none_or(|named| *named == plain(id)) => {
            Ok((plain(id), plain(secret)))
        }
        Some(_) => Err(Refused::new("invalid_request", "two clients are named")),
        None => Err(Refused::client()),
    }
}
