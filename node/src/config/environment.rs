//! Environment variables over the file: `SHOPNODE_HTTP__LISTEN` sets `http.listen`.
//!
//! Only names with a double underscore are settings. Others that begin alike are left alone, because an orchestrator
//! puts some of its own there (a Kubernetes service called `shopnode` gives every pod `SHOPNODE_PORT`).

use std::collections::BTreeMap;

use toml::Value;

use super::document::Document;
use super::nearest_key;
use super::problems::{Origin, Problems};

const PREFIX: &str = "SHOPNODE_";

pub(super) fn overlay(
    document: &mut Document,
    known: &BTreeMap<String, Value>,
    environment: impl IntoIterator<Item = (String, String)>,
    problems: &mut Problems<'_>,
) {
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains("__")) else { continue };
        let key = path.to_ascii_lowercase().replace("__", ".");
        let origin = Origin::Variable(name.clone());
        match known.get(&key) {
            Some(default) => match parse_like(default, &text) {
                Ok(value) => document.set(&key, value, origin),
                Err(expected) => problems.at(&origin, format_args!("`{key}` must be {expected}")),
            },
            None => match nearest_key(&key, known) {
                Some(meant) => {
                    let meant = variable(meant);
                    problems.at(&origin, format_args!("no key `{key}`, did you mean {meant}?"));
                }
                None => problems.at(&origin, format_args!("no key `{key}`")),
            },
        }
    }
}

/// The variable that sets `key`.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// Reads a variable's text as the type that the key's default has. A list is separated by commas.
fn parse_like(default: &Value, text: &str) -> Result<Value, &'static str> {
    match default {
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| "a whole number"),
        Value::Float(_) => text.parse().map(Value::Float).map_err(|_| "a number"),
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| "`true` or `false`"),
        Value::Array(_) => Ok(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => Ok(Value::String(text.to_owned())),
    }
}
