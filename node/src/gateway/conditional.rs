//! Conditional requests (RFC 9110, section 13): strong entity tags, `If-None-Match` for reading, `If-Match` for
//! changing. A resource's tag is its revision; a public list's tag is a hash of its body.

use axum::body::Body;
use axum::response::Response;
use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::{StatusCode, header};
use sha2::{Digest, Sha256};
use shop::Code;
use shop::http::if_match;

use super::problem::Problem;

/// The most tags that one field lists.
const MOST_TAGS: usize = 16;

/// The strong tag of a body.
pub fn body_tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Puts the tag into the answer; makes it 304 without a body when the caller has it already.
///
/// # Errors
/// `invalid_parameter` when `If-None-Match` is not a list of tags.
pub fn tagged(mut response: Response, tag: &str, request: &HeaderMap) -> Result<Response, Problem> {
    if let Ok(value) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, value);
    }
    // Weak comparison is for reading: `W/"x"` and `"x"` are the same here (section 13.1.2).
    let has = tags(request, &IF_NONE_MATCH)?
        .into_iter()
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    if !has {
        return Ok(response);
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::empty();
    Ok(response)
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a str>, Problem> {
    let invalid =
        || Problem::new(Code::InvalidParameter, format!("{name} is not `*` or a list of entity tags"));
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| invalid())?;
        // Our tags hold no comma, so that splitting at commas finds all of ours.
        tags.extend(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()));
    }
    let sound = |tag: &&str| {
        let opaque = tag.trim_start_matches("W/");
        **tag == *"*" || (opaque.len() >= 2 && opaque.starts_with('"') && opaque.ends_with('"'))
    };
    if tags.len() > MOST_TAGS || !tags.iter().all(sound) {
        return Err(invalid());
    }
    Ok(tags)
}

/// The revision that a change demands by `If-Match`; `None` for `*`.
///
/// # Errors
/// `precondition_required`, `precondition_failed`, `invalid_parameter`.
pub fn expected_revision(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    if let (Some(value), another) = (values.next(), values.next()) {
        let text = value.to_str().ok().filter(|_| another.is_none());
        let invalid = || Problem::new(Code::InvalidParameter, "If-Match: send one entity tag");
        return Ok(if_match(Some(text.ok_or_else(invalid)?))?);
    }
    Ok(if_match(None)?)
}

/// As [`expected_revision`], where it may be left out.
///
/// # Errors
/// `precondition_failed`, `invalid_parameter`.
pub fn optional_revision(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    if headers.contains_key(IF_MATCH) { expected_revision(headers) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::response::Response;
    use http::HeaderMap;

    use super::tagged;

    fn check(if_none_match: &str, expect: Option<u16>) {
        let mut headers = HeaderMap::new();
        headers.insert("if-none-match", if_none_match.parse().unwrap());
        let status = tagged(Response::new(Body::from("x")), "\"r7\"", &headers).map(|answer| {
            assert_eq!(answer.headers()["etag"], "\"r7\"");
            answer.status().as_u16()
        });
        assert_eq!(status.ok(), expect, "{if_none_match}");
    }

    #[test]
    fn what_the_caller_has_is_not_sent_again() {
        check("\"r7\"", Some(304));
        check("W/\"r7\"", Some(304));
        check("\"r6\", \"r7\"", Some(304));
        check("*", Some(304));
        check("\"r6\"", Some(200));
        check("r7", None);
    }
}
