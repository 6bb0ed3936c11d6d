//! Collects everything that is wrong, so that an operator mends the file once and not line by line.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use super::error::ConfigError;

/// Where a key got its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Line(usize),
    Variable(String),
}

/// From dotted key to the place that set it; a key that is absent has its default.
pub(super) type Origins = BTreeMap<String, Origin>;

pub(super) struct Problems<'a> {
    file: &'a Path,
    origins: Option<&'a Origins>,
    found: Vec<String>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a Path) -> Self {
        Problems { file, origins: None, found: Vec::new() }
    }

    pub(super) fn with_origins(file: &'a Path, origins: &'a Origins) -> Self {
        Problems { file, origins: Some(origins), found: Vec::new() }
    }

    /// Notes a problem at a place that is known.
    pub(super) fn at(&mut self, origin: &Origin, problem: impl Display) {
        self.found.push(format!("{}: {problem}", place(self.file, Some(origin))));
    }

    /// Notes that the value of `key` cannot be used, and why.
    pub(super) fn value(&mut self, key: &str, problem: impl Display) {
        let origin = self.origins.and_then(|origins| origins.get(key));
        self.found.push(format!("{}: `{key}` {problem}", place(self.file, origin)));
    }

    /// Notes a value outside what is allowed.
    pub(super) fn range<N: PartialOrd + Display>(&mut self, key: &str, value: N, allowed: RangeInclusive<N>) {
        if !allowed.contains(&value) {
            let (low, high) = (allowed.start(), allowed.end());
            self.value(key, format_args!("is {value}, allowed is {low} to {high}"));
        }
    }

    pub(super) fn refuse(self) -> Result<(), ConfigError> {
        if self.found.is_empty() { Ok(()) } else { Err(ConfigError::Refused { problems: self.found }) }
    }
}

/// The place as an editor or a shell understands it.
pub(super) fn place(file: &Path, origin: Option<&Origin>) -> String {
    match origin {
        Some(Origin::Line(line)) => format!("{}:{line}", file.display()),
        Some(Origin::Variable(name)) => format!("environment variable {name}"),
        None => file.display().to_string(),
    }
}
