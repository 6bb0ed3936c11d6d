//! What can be put into an order: a stock keeping unit, and the record that placing an order reads for each line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ProductId, VariantId};
use crate::money::{Currency, Money};
use crate::table;

/// The longest SKU, in characters (all of them ASCII).
pub const MAX_SKU_LEN: usize = 64;

/// A stock keeping unit: 1 to 64 characters of printable ASCII; no space at either end, and no comma, because
/// `availability?sku=A,B` lists them. Upper and lower case differ.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(value_type = String, min_length = 1, max_length = 64, example = "TEA-1"))]
pub struct Sku(String);

impl Sku {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a SKU: 1 to 64 characters of printable ASCII without commas, no space at either end")]
pub struct ParseSkuError;

impl FromStr for Sku {
    type Err = ParseSkuError;

    fn from_str(text: &str) -> Result<Self, ParseSkuError> {
        let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',';
        let ends = text.starts_with(' ') || text.ends_with(' ');
        if text.is_empty() || text.len() > MAX_SKU_LEN || ends || !text.bytes().all(allowed) {
            return Err(ParseSkuError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Sku {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl storage::Key for Sku {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out)
    }

    fn decode(input: &mut &[u8]) -> Result<Self, storage::Fault> {
        <String as storage::Key>::decode(input).map(Self)
    }
}

/// What happens when a SKU is ordered beyond its stock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Backorder {
    /// The order is refused with `out_of_stock`.
    #[default]
    Refuse,
    /// The order is taken; what is available may become negative.
    Allow,
}

table!(
    /// SKUs, each with what placing an order needs of its product: unique across the shop.
    Skus, SKUS, Sku => SkuRecord
);

/// A SKU as an order line sees it: copied from its product by whatever writes the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuRecord {
    pub product: ProductId,
    pub variant: VariantId,
    /// The product's title.
    pub title: String,
    /// The variant's option values, like `100 g / green`; empty if it has none.
    pub options: String,
    /// Whether its product is published.
    pub sellable: bool,
    /// At most one per currency.
    pub prices: Vec<Money>,
    pub backorder: Backorder,
}

storage::versioned!(SkuRecord, 1);

impl SkuRecord {
    /// The unit price in a currency, if it is sold in it.
    pub fn price_in(&self, currency: Currency) -> Option<Money> {
        self.prices.iter().copied().find(|price| price.currency == currency)
    }
}

#[cfg(test)]
mod tests {
    use super::Sku;

    #[test]
    fn what_a_sku_may_be() {
        for text in ["TEA-1", "a", "A b/c#~", &"x".repeat(64)] {
            assert_eq!(text.parse::<Sku>().map(|sku| sku.to_string()).as_deref(), Ok(text));
        }
        for text in ["", " a", "a ", "a,b", "tee\u{fc}", "a\tb", "a\u{7f}", &"x".repeat(65)] {
            assert!(text.parse::<Sku>().is_err(), "{text:?}");
        }
    }
}
