//! A TOML document whose keys remember their lines.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::error::ConfigError;
use super::problems::{Origin, Origins, Problems, place};
use super::{Config, nearest_key};

/// Every key that may be set, with its default. The default's type says how a variable's text is read.
pub(super) fn known_keys() -> Result<BTreeMap<String, Value>, ConfigError> {
    let defaults = Table::try_from(Config::default())?;
    let mut keys = BTreeMap::new();
    flatten("", &defaults, &mut keys);
    Ok(keys)
}

fn flatten(prefix: &str, table: &Table, keys: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = join(prefix, name);
        match value {
            Value::Table(inner) => flatten(&key, inner, keys),
            leaf => {
                keys.insert(key, leaf.clone());
            }
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The file as a tree of values, and where each of its keys stands.
pub(super) struct Document {
    values: Table,
    origins: Origins,
}

impl Document {
    pub(super) fn parse(text: &str, file: &Path) -> Result<Document, ConfigError> {
        let syntax = |error: toml::de::Error| ConfigError::Syntax {
            file: file.to_path_buf(),
            message: error.to_string().trim_end().to_owned(),
        };
        let spanned = DeTable::parse(text).map_err(syntax)?;
        let mut origins = Origins::new();
        note_lines("", spanned.get_ref(), &Lines::of(text), &mut origins);
        let values = toml::from_str(text).map_err(syntax)?;
        Ok(Document { values, origins })
    }

    /// Notes every key that no version of the defaults has, with the name that was probably meant.
    pub(super) fn refuse_unknown(&self, known: &BTreeMap<String, Value>, problems: &mut Problems<'_>) {
        for (key, origin) in &self.origins {
            let section = format!("{key}.");
            let is_section = || known.keys().any(|name| name.starts_with(&section));
            if known.contains_key(key) || is_section() || self.below_unknown(key, known) {
                continue;
            }
            match nearest_key(key, known) {
                Some(meant) => {
                    problems.at(origin, format_args!("unknown key `{key}`, did you mean `{meant}`?"))
                }
                None => problems.at(origin, format_args!("unknown key `{key}`")),
            }
        }
    }

    /// Whether `key` is inside a value that a known key holds: `http.listen = { port = 1 }` is a wrong type, told
    /// once as that.
    fn below_unknown(&self, key: &str, known: &BTreeMap<String, Value>) -> bool {
        key.match_indices('.').any(|(at, _)| known.contains_key(&key[..at]))
    }

    /// Sets a known key, making the sections above it.
    pub(super) fn set(&mut self, key: &str, value: Value, origin: Origin) {
        let mut table = &mut self.values;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), value);
                break;
            }
            let entry = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                // The file has a plain value where a section belongs; the variable knows better.
                *entry = Value::Table(Table::new());
            }
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
        self.origins.insert(key.to_owned(), origin);
    }

    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The typed configuration; a wrong type is told with its key and place.
    pub(super) fn read<T: DeserializeOwned>(&self, file: &Path) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(Value::Table(self.values.clone())).map_err(|error| {
            let key = error.path().to_string();
            let origin = self.origins.get(key.split('[').next().unwrap_or(&key));
            let reason = error.inner().message();
            ConfigError::Refused { problems: vec![format!("{}: `{key}`: {reason}", place(file, origin))] }
        })
    }
}

fn note_lines(prefix: &str, table: &DeTable<'_>, lines: &Lines, origins: &mut Origins) {
    for (name, value) in table {
        let key = join(prefix, name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => note_lines(&key, inner, lines, origins),
            _ => {
                origins.insert(key, Origin::Line(lines.line_of(name.span().start)));
            }
        }
    }
}

/// Where each line begins, so that a key's line is a binary search and not another walk over the text.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    fn line_of(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}
