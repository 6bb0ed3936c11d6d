//! Arguments that are words or names in the API's JSON, read by the API's own types.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A value by its word in the API, like `published`; the error lists the words.
pub fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}
