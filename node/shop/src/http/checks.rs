//! Bounds of input, checked before anything is proposed: all troubles of a body in one answer, each with its pointer.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::codes::Code;
use crate::money::{MAX_AMOUNT_MINOR, Money};
use crate::rejection::{At, Rejection};

/// Collects what is wrong with one body.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<At>,
}

impl Checks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something is wrong at `pointer`.
    pub fn fail(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.errors.push(At { pointer: pointer.into(), code: Code::InvalidValue, detail: detail.into() });
    }

    /// A line of text of so many characters: no control characters.
    pub fn line(&mut self, pointer: &str, text: &str, chars: RangeInclusive<usize>) {
        self.length(pointer, text.chars().count(), chars, "characters");
        if text.chars().any(char::is_control) {
            self.fail(pointer, "control characters are not allowed");
        }
    }

    /// The same, of a text that may be missing.
    pub fn optional_line(&mut self, pointer: &str, text: Option<&str>, chars: RangeInclusive<usize>) {
        if let Some(text) = text {
            self.line(pointer, text, chars);
        }
    }

    /// A text of at most so many bytes of UTF-8 that may have line breaks and tabs, and no other control characters.
    pub fn prose(&mut self, pointer: &str, text: &str, max_bytes: usize) {
        self.length(pointer, text.len(), 0..=max_bytes, "bytes");
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.fail(pointer, "control characters other than line breaks and tabs are not allowed");
        }
    }

    /// A number of items, characters, bytes.
    pub fn length(&mut self, pointer: &str, found: usize, allowed: RangeInclusive<usize>, of_what: &str) {
        if !allowed.contains(&found) {
            let (least, most) = (allowed.start(), allowed.end());
            self.fail(pointer, format!("{found} {of_what}: {least} to {most} are allowed"));
        }
    }

    /// An amount of money: 0 to 10^13 minor units.
    pub fn money(&mut self, pointer: &str, money: Money) {
        if !(0..=MAX_AMOUNT_MINOR).contains(&money.amount) {
            self.fail(
                format!("{pointer}/amount"),
                format!("0 to {MAX_AMOUNT_MINOR} minor units are allowed"),
            );
        }
    }

    /// A typed value from its text; `None` and a note if it is not one.
    pub fn parse<T>(&mut self, pointer: &str, text: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        text.parse().map_err(|error: T::Err| self.fail(pointer, error.to_string())).ok()
    }

    /// Whether nothing was wrong so far.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// `invalid_value` with all places, if something was wrong.
    pub fn finish(self) -> Result<(), Rejection> {
        let detail = match self.errors.as_slice() {
            [only] => only.detail.clone(),
            several => format!("{} values are not allowed", several.len()),
        };
        Rejection::of_all(Code::InvalidValue, &detail, self.errors).map_or(Ok(()), Err)
    }
}

/// A JSON Pointer to an item: `/lines/3`.
pub fn item(pointer: &str, index: usize) -> String {
    format!("{pointer}/{index}")
}

/// A JSON Pointer to a member, its name escaped (RFC 6901, section 3).
pub fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
