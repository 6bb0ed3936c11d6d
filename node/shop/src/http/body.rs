//! Bodies: JSON in, a typed value or a rejection that points at the trouble.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::codes::Code;
use crate::http::checks::{item, member};
use crate::http::objects::ObjectsOnly;
use crate::rejection::Rejection;

/// A body from its bytes. What is not JSON is `malformed_body`; JSON that is not what the route takes (a wrong type, an
/// unknown or a missing member) is `invalid_value` with a pointer.
pub fn parse_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value =
        serde_path_to_error::deserialize(ObjectsOnly(&mut deserializer)).map_err(|error| refuse(&error))?;
    deserializer.end().map_err(|error| Rejection::new(Code::MalformedBody, error.to_string()))?;
    Ok(value)
}

/// The same from a value, such as the result of a merge patch.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Rejection> {
    serde_path_to_error::deserialize(ObjectsOnly(value)).map_err(|error| refuse(&error))
}

fn refuse(error: &serde_path_to_error::Error<serde_json::Error>) -> Rejection {
    let detail = error.inner().to_string();
    match error.inner().classify() {
        Category::Data => Rejection::at(Code::InvalidValue, pointer(error.path()), detail),
        Category::Syntax | Category::Eof | Category::Io => Rejection::new(Code::MalformedBody, detail),
    }
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => item(&pointer, *index),
        Segment::Map { key } | Segment::Enum { variant: key } => member(&pointer, key),
        Segment::Unknown => pointer,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde::Deserialize;

    use super::parse_body;
    use crate::money::Money;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(rename = "pri/ces")]
        #[allow(dead_code)]
        prices: Vec<Money>,
    }

    #[test]
    fn troubles_have_a_code_and_a_pointer() {
        let check = |body: &str, code: &str, pointer: Option<&str>| {
            let rejection = parse_body::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!(rejection.code.as_str(), code, "{body}");
            assert_eq!(rejection.errors.first().map(|at| at.pointer.as_str()), pointer, "{body}");
        };
        check("{", "malformed_body", None);
        check(r#"{"pri/ces": []} x"#, "malformed_body", None);
        check("\u{feff}{}", "malformed_body", None);
        check(
            r#"{"pri/ces": [{"amount": "1", "currency": "EUR"}]}"#,
            "invalid_value",
            Some("/pri~1ces/0/amount"),
        );
        check(
            r#"{"pri/ces": [{"amount": 1, "currency": "eur"}]}"#,
            "invalid_value",
            Some("/pri~1ces/0/currency"),
        );
        check(r#"{"pri/ces": [], "x": 1}"#, "invalid_value", Some("/x"));
        check("[]", "invalid_value", Some(""));
        check("{}", "invalid_value", Some(""));
        assert!(parse_body::<Body>("[".repeat(10_000).as_bytes()).is_err(), "deep nesting");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse_body::<Body>(&bytes);
        }
    }
}
