//! Lists: `?limit=&cursor=&sort=` in, `{"data": [...], "next_cursor": ...}` out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use storage::Key;
use utoipa::ToSchema;

use crate::codes::Code;
use crate::page::{Found, MAX_LIMIT};
use crate::rejection::Rejection;

/// How many items a list has unless the request says otherwise.
pub const DEFAULT_LIMIT: u16 = 20;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Send it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page from what a query found.
    pub fn of<U, K: Key>(found: Found<U, K>, view: impl FnMut(U) -> T) -> Self {
        let next_cursor = found.next.as_ref().map(Cursor::at);
        Self { data: found.items.into_iter().map(view).collect(), next_cursor }
    }
}

/// The number of items on a page: 1 to 100, 20 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u16, minimum = 1, maximum = 100, default = 20)]
pub struct Limit(u16);

impl Limit {
    /// The limit, if it is one.
    pub fn new(limit: u16) -> Option<Self> {
        (1..=MAX_LIMIT).contains(&usize::from(limit)).then_some(Self(limit))
    }

    /// As a count of items.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = u16::deserialize(deserializer)?;
        Self::new(limit).ok_or_else(|| serde::de::Error::custom("limit is 1 to 100"))
    }
}

/// Where a page goes on: opaque to clients. `1` (the version) and base64url of the last item's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Cursor(String);

const CURSOR_VERSION: char = '1';
const MAX_CURSOR_LEN: usize = 1_024;

impl Cursor {
    /// A cursor behind this key.
    pub fn at(key: &impl Key) -> Self {
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        Self(format!("{CURSOR_VERSION}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A cursor as a client sent it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to send.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that it stands for; `invalid_parameter` if it is none of this list's.
    pub fn key<K: Key>(&self) -> Result<K, Rejection> {
        self.decode()
            .ok_or_else(|| Rejection::new(Code::InvalidParameter, "cursor: this is no cursor of this list"))
    }

    fn decode<K: Key>(&self) -> Option<K> {
        let text = self.0.strip_prefix(CURSOR_VERSION).filter(|text| text.len() <= MAX_CURSOR_LEN)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut rest = bytes.as_slice();
        let key = K::decode(&mut rest).ok()?;
        rest.is_empty().then_some(key)
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Sort {
    /// Oldest first.
    #[serde(rename = "created_at")]
    OldestFirst,
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Cursor, Limit};

    #[test]
    fn a_cursor_leads_back_to_its_key() {
        let key = ("te\0a".to_owned(), 7u64);
        let cursor = Cursor::at(&key);
        assert_eq!(cursor.key(), Ok(key));
        assert!(cursor.key::<u32>().is_err());
        assert!(Cursor::from_text("2AAAA").key::<u8>().is_err());
        assert!(Cursor::from_text("").key::<u8>().is_err());
    }

    #[test]
    fn limits_are_bounded() {
        let limit = |text| serde_json::from_str::<Limit>(text).map(Limit::get).ok();
        assert_eq!((limit("1"), limit("100"), limit("0"), limit("101")), (Some(1), Some(100), None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = Cursor::from_text(text).key::<(String, Option<[u8; 16]>)>();
        }
    }
}
