//! Postal addresses.

use serde::{Deserialize, Serialize};

/// Where something is delivered or billed. Personal data: store it inside [`crate::private::Private`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Address {
    /// Who receives it.
    #[cfg_attr(feature = "http", schema(min_length = 1, max_length = 200, example = "Ada"))]
    pub name: String,
    #[cfg_attr(feature = "http", schema(min_length = 1, max_length = 200, example = "1 Main St"))]
    pub line1: String,
    #[cfg_attr(feature = "http", schema(max_length = 200))]
    pub line2: Option<String>,
    #[cfg_attr(feature = "http", schema(min_length = 1, max_length = 200, example = "Berlin"))]
    pub city: String,
    /// State, province or county, where addresses have one.
    #[cfg_attr(feature = "http", schema(max_length = 200))]
    pub region: Option<String>,
    /// Some countries have none.
    #[cfg_attr(feature = "http", schema(max_length = 32, example = "10115"))]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2, in capitals.
    #[cfg_attr(feature = "http", schema(pattern = "^[A-Z]{2}$", example = "DE"))]
    pub country: String,
    #[cfg_attr(feature = "http", schema(max_length = 32))]
    pub phone: Option<String>,
}
