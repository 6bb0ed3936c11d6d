//! Reads JSON bodies strictly (RFC 8259): UTF-8, one value, no name twice, no field that the type does not know. What
//! is wrong is pointed at (RFC 6901).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};
use shop::Code;
use shop::http::ObjectsOnly;

use super::problem::Problem;

/// Reads one value.
///
/// # Errors
/// `malformed_body` for what is not JSON, or not of the route's shape: types, missing and unknown members. `invalid_value`
/// for a value of the right type that is none of those allowed: an unknown currency, a number out of range.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let malformed = |detail: String| Problem::new(Code::MalformedBody, detail);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(format!("byte {} is not UTF-8", error.valid_up_to())))?;
    if text.trim_ascii().is_empty() {
        return Err(malformed("the body is empty".to_owned()));
    }
    refuse_repeated_names(text)?;
    // Said here, because a type that takes any value would take this one.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Problem::at(Code::MalformedBody, "", "the body is not an object"));
    }
    // Where an error is costs something to follow: only who made one waits for it.
    let mut source = serde_json::Deserializer::from_str(text);
    let read = T::deserialize(ObjectsOnly(&mut source)).and_then(|value| source.end().map(|()| value));
    read.or_else(|_| read_and_point(text))
}

/// The same again, to find out where it goes wrong.
fn read_and_point<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let malformed = |detail: String| Problem::new(Code::MalformedBody, detail);
    let mut source = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(ObjectsOnly(&mut source), &mut track);
    let value = T::deserialize(tracked);
    let value = value.map_err(|error: serde_json::Error| {
        let detail = without_content(&error);
        if error.is_data() {
            Problem::at(code_of(&detail), pointer(&track.path(), &detail), detail)
        } else {
            malformed(detail)
        }
    })?;
    source.end().map_err(|error| malformed(without_content(&error)))?;
    Ok(value)
}

fn code_of(detail: &str) -> Code {
    let shape = ["invalid type: ", "invalid length ", "missing field ", "unknown field ", "duplicate field "];
    if shape.iter().any(|kind| detail.starts_with(kind)) { Code::MalformedBody } else { Code::InvalidValue }
}

/// The message without what the client sent: it may be personal, and goes into logs on the other side.
fn without_content(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for (kind, expected) in [("invalid type: ", ", expected "), ("invalid value: ", ", expected ")] {
        if let Some(rest) = text.strip_prefix(kind)
            && let Some((found, expected)) = rest.rsplit_once(expected)
        {
            // `string "ada"` becomes `string`.
            let kind_found = found.split([' ', '`']).next().unwrap_or_default();
            return format!("{kind}{kind_found}, expected {expected}");
        }
    }
    match text.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, ")) {
        Some((_, expected)) => format!("unknown variant, {expected}"),
        None => text,
    }
}

fn pointer(path: &Path, detail: &str) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => escape_into(&mut pointer, key),
            Segment::Enum { variant } => escape_into(&mut pointer, variant),
            Segment::Unknown => {
                pointer.pop();
            }
        }
    }
    // A field that is not known is named in the message, and its parent in the path.
    if let Some(rest) = detail.strip_prefix("unknown field `")
        && let Some((name, _)) = rest.split_once('`')
    {
        let mut member = String::from("/");
        escape_into(&mut member, name);
        if !pointer.ends_with(&member) {
            pointer.push_str(&member);
        }
    }
    pointer
}

fn escape_into(pointer: &mut String, name: &str) {
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// A name that occurs twice in an object means different things to different readers (RFC 8259, section 4).
fn refuse_repeated_names(text: &str) -> Result<(), Problem> {
    let mut place = String::new();
    let mut source = serde_json::Deserializer::from_str(text);
    match (Names { place: &mut place }).deserialize(&mut source) {
        Ok(()) => Ok(()),
        Err(error) if error.is_data() => {
            Err(Problem::at(Code::MalformedBody, place, "this name occurs twice in its object"))
        }
        Err(error) => Err(Problem::new(Code::MalformedBody, without_content(&error))),
    }
}

/// Walks a value; after an error `place` points at the repeated name. It is put together on the way out, so that a value
/// without a fault costs no more than its names.
struct Names<'a> {
    place: &'a mut String,
}

impl Names<'_> {
    /// Puts a step in front of the place of an error below it.
    fn below<T, E>(&mut self, result: Result<T, E>, step: impl FnOnce(&mut String)) -> Result<T, E> {
        result.inspect_err(|_| {
            let mut place = String::from("/");
            step(&mut place);
            self.place.insert_str(0, &place);
        })
    }
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value_seed(Names { place: &mut *self.place });
            self.below(value, |place| escape_into(place, &name))?;
            names.push(name);
        }
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => {
                let repeated = Err(A::Error::custom("repeated name"));
                self.below(repeated, |place| escape_into(place, &pair[0]))
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        for index in 0usize.. {
            let element = seq.next_element_seed(Names { place: &mut *self.place });
            if self.below(element, |place| place.push_str(&index.to_string()))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A member's name, copied only if it is written with escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use shop::{Code, Currency};

    use super::read;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Body {
        lines: Vec<Line>,
        #[serde(default)]
        options: std::collections::BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Line {
        quantity: u32,
        currency: Option<Currency>,
    }

    fn check(text: &[u8], expect: Result<(), &str>) {
        check_code(text, Code::MalformedBody, expect);
    }

    fn check_code(text: &[u8], code: Code, expect: Result<(), &str>) {
        let result = read::<Body>(text).map(drop).map_err(|problem| {
            let body = problem.body("", "");
            assert_eq!(problem.code(), code, "{}", body.detail);
            assert!(!body.detail.contains("ada"), "it repeats what was sent: {}", body.detail);
            body.errors.first().map_or_else(|| "none".to_owned(), |place| place.pointer.clone())
        });
        assert_eq!(result, expect.map_err(str::to_owned), "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        check(br#"{"lines": [{"quantity": 1, "currency": "EUR"}]}"#, Ok(()));
        check(br#"{"lines": [{"quantity": 1}, {"quantity": "ada"}]}"#, Err("/lines/1/quantity"));
        check(br#"{"lines": [{"quantity": 1.5}]}"#, Err("/lines/0/quantity"));
        check(br#"{"lines": [{"quantity": 1, "a/b~": 1}]}"#, Err("/lines/0/a~1b~0"));
        check(br#"{"lines": [], "surprise": 1}"#, Err("/surprise"));
        check(br#"{"lines": [{}]}"#, Err("/lines/0"));
        check(br#"{"lines": 7}"#, Err("/lines"));
        check(br#"{"lines": [{"quantity": 1}, [1]]}"#, Err("/lines/1"));
    }

    #[test]
    fn a_body_is_an_object() {
        for text in [&b"[]"[..], br#"[[{"quantity": 1}], {}]"#, b" []", b"7", b"null", br#""ada""#] {
            check(text, Err(""));
        }
        #[derive(Debug, Deserialize)]
        struct Optional {
            #[serde(default)]
            _amount: Option<u32>,
        }
        assert!(read::<Optional>(b"[]").is_err() && read::<Optional>(b" {}").is_ok());
    }

    #[test]
    fn a_value_of_the_right_type_may_still_be_none_of_those_allowed() {
        let check = |text: &str, pointer| check_code(text.as_bytes(), Code::InvalidValue, Err(pointer));
        check(r#"{"lines": [{"quantity": -1}]}"#, "/lines/0/quantity");
        check(r#"{"lines": [{"quantity": 4294967296}]}"#, "/lines/0/quantity");
        check(r#"{"lines": [{"quantity": 1, "currency": "ada"}]}"#, "/lines/0/currency");
    }

    #[test]
    fn no_name_may_come_twice_at_any_depth() {
        check(br#"{"lines": [], "lines": []}"#, Err("/lines"));
        check(br#"{"lines": [], "options": {"size": "a", "size": "b"}}"#, Err("/options/size"));
        check(br#"{"lines": [{"quantity": 1, "\u0071uantity": 2}]}"#, Err("/lines/0/quantity"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            [&b""[..], b" ", b"{", b"\xff\xfe", b"{\"lines\": []} x", b"{\"lines\": \"\xc3\x28\"}", b"NaN"]
        {
            check(text, Err("none"));
        }
        check("[".repeat(10_000).as_bytes(), Err("none"));
    }
}
