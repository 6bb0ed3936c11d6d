//! Entity tags (RFC 9110, sections 8.8.3 and 13.1.1): the strong tag of a resource is its revision.

use crate::codes::Code;
use crate::rejection::Rejection;

/// The strong entity tag of a revision, with its quotes.
pub fn etag(revision: u64) -> String {
    format!("\"r{revision}\"")
}

/// The revision that an `If-Match` header demands; `None` for `*`: any. Missing: `precondition_required`. A tag that is
/// not of ours cannot match: `precondition_failed`, like a weak one. One tag at a time.
pub fn if_match(header: Option<&str>) -> Result<Option<u64>, Rejection> {
    let Some(header) = header.map(str::trim) else {
        return Err(Rejection::new(Code::PreconditionRequired, "send the resource's ETag as If-Match"));
    };
    if header == "*" {
        return Ok(None);
    }
    if header.contains(',') {
        return Err(Rejection::new(Code::InvalidParameter, "If-Match: send one entity tag"));
    }
    let revision = header.strip_prefix("\"r").and_then(|rest| rest.strip_suffix('"'));
    match revision.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).map(str::parse) {
        Some(Ok(revision)) => Ok(Some(revision)),
        _ => {
            Err(Rejection::new(Code::PreconditionFailed, "If-Match: this is no current tag of the resource"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{etag, if_match};

    #[test]
    fn a_tag_leads_back_to_its_revision() {
        assert_eq!(if_match(Some(&etag(17))), Ok(Some(17)));
        assert_eq!(if_match(Some(" * ")), Ok(None));
    }

    #[test]
    fn what_cannot_match_is_refused() {
        let code = |header| if_match(header).unwrap_err().code.as_str();
        assert_eq!(code(None), "precondition_required");
        for weak_or_foreign in ["W/\"r1\"", "\"abc\"", "r1", "\"r+1\"", "\"r99999999999999999999\"", ""] {
            assert_eq!(code(Some(weak_or_foreign)), "precondition_failed", "{weak_or_foreign}");
        }
        assert_eq!(code(Some("\"r1\", \"r2\"")), "invalid_parameter");
    }
}
