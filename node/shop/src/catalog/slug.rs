//! Names in URLs: of products ("handles") and categories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::ProductId;

/// The longest slug, in characters.
pub const MAX_SLUG_CHARS: usize = 100;

/// 1 to 100 letters and digits of any script, none of them upper case, `-` and `_`; no `-` at either end. What is a
/// letter depends on Unicode's tables, so it is decided before a command is proposed, never in apply.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(value_type = String, min_length = 1, max_length = 100, example = "green-tea"))]
pub struct Slug(String);

impl Slug {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A slug made of a title; `None` if it has no letter and no digit.
    pub fn derive(title: &str) -> Option<Self> {
        let mut slug = String::new();
        let mut count = 0;
        let mut gap = false;
        for c in title.chars().filter(|c| !matches!(c, '\'' | '\u{2019}')).flat_map(char::to_lowercase) {
            if !is_letter(c) {
                gap = count > 0;
                continue;
            }
            let needed = 1 + usize::from(gap);
            if count + needed > MAX_SLUG_CHARS {
                break;
            }
            if gap {
                slug.push('-');
            }
            slug.push(c);
            count += needed;
            gap = false;
        }
        slug.parse().ok()
    }
}

fn is_letter(c: char) -> bool {
    c == '_' || (c.is_alphanumeric() && !c.is_uppercase())
}

/// Why a text is not a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a slug: 1 to 100 lower-case letters, digits, `-` and `_`, no `-` at either end, and no product id"
)]
pub struct ParseSlugError;

impl FromStr for Slug {
    type Err = ParseSlugError;

    fn from_str(text: &str) -> Result<Self, ParseSlugError> {
        let count = text.chars().count();
        let ends = text.starts_with('-') || text.ends_with('-');
        // A route takes either an id or a slug: the two must not be confused.
        let is_id = text.parse::<ProductId>().is_ok();
        if count == 0
            || count > MAX_SLUG_CHARS
            || ends
            || is_id
            || !text.chars().all(|c| c == '-' || is_letter(c))
        {
            return Err(ParseSlugError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Slug {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What was once stored stays readable, whatever newer tables say about its letters.
        let input = deserializer.is_human_readable();
        let text = String::deserialize(deserializer)?;
        if input { text.parse().map_err(serde::de::Error::custom) } else { Ok(Self(text)) }
    }
}

impl storage::Key for Slug {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out)
    }

    fn decode(input: &mut &[u8]) -> Result<Self, storage::Fault> {
        <String as storage::Key>::decode(input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::Slug;

    #[test]
    fn slugs_of_titles() {
        let check = |title: &str, slug: Option<&str>| {
            assert_eq!(Slug::derive(title).as_ref().map(Slug::as_str), slug, "{title:?}");
        };
        check("Green Tea", Some("green-tea"));
        check("  Ada's \"best\" tea -- 100 g! ", Some("adas-best-tea-100-g"));
        check("Grüner Tee", Some("grüner-tee"));
        check("緑茶", Some("緑茶"));
        check("!!!", None);
        check("", None);
        check(&"ab ".repeat(60), Some(&format!("{}a", "ab-".repeat(33))));
    }

    #[test]
    fn what_is_no_slug_is_refused() {
        for text in
            ["", "-a", "a-", "Green", "a b", "a/b", "prd_00000000000000000000000000", &"a".repeat(101)]
        {
            assert!(text.parse::<Slug>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_derived_slug_is_a_slug(title in any::<String>()) {
            if let Some(slug) = Slug::derive(&title) {
                assert_eq!(slug.as_str().parse::<Slug>(), Ok(slug));
            }
        }
    }
}
