use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broker::{CreateTopic, DEFAULT_PARTITIONS, MAX_PARTITIONS, MAX_TOPIC_BYTES, Topic, is_standard};
use crate::http::Checks;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The body of `POST /admin/v1/topics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicInput {
    /// Lower-case letters, digits, `.`, `_` and `-`; begins with a letter.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z][a-z0-9._-]*$", example = "acme")]
    pub name: String,
    /// For good.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 256, default = 8)]
    pub partitions: Option<u16>,
    /// How long its events are kept at least, if longer than the settings say.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650)]
    pub retention_days: Option<u32>,
}

impl TopicInput {
    /// The command that creates it.
    pub fn command(self) -> Result<CreateTopic, Rejection> {
        let mut checks = Checks::new();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        checks.length("/name", self.name.len(), 1..=MAX_TOPIC_BYTES, "characters");
        let letter_first = self.name.starts_with(|c: char| c.is_ascii_lowercase());
        if !letter_first || !self.name.bytes().all(allowed) {
            checks.fail("/name", "expected lower-case letters, digits, `.`, `_`, `-`, a letter first");
        }
        let partitions = self.partitions.unwrap_or(DEFAULT_PARTITIONS);
        checks.length("/partitions", partitions.into(), 1..=MAX_PARTITIONS.into(), "partitions");
        if let Some(days) = self.retention_days {
            checks.length("/retention_days", days as usize, 1..=3_650, "days");
        }
        checks.finish()?;
        Ok(CreateTopic { name: self.name, partitions, retention_days: self.retention_days })
    }
}

/// A topic as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicView {
    pub name: String,
    /// Whether the shop itself writes to it, and nobody else may.
    pub standard: bool,
    pub partitions: u16,
    pub retention_days: Option<u32>,
    pub created_at: Timestamp,
}

impl TopicView {
    /// The view of a topic.
    pub fn of(name: &str, topic: &Topic) -> Self {
        let Topic { partitions, retention_days, created_at } = *topic;
        Self { name: name.to_owned(), standard: is_standard(name), partitions, retention_days, created_at }
    }
}

#[cfg(test)]
mod tests {
    use super::TopicInput;

    #[test]
    fn names_and_numbers_are_bounded() {
        let check = |name: &str, partitions, days, pointer: Option<&str>| {
            let input = TopicInput { name: name.into(), partitions, retention_days: days };
            let found = input.command().err().map(|rejection| rejection.errors[0].pointer.clone());
            assert_eq!(found.as_deref(), pointer, "{name}");
        };
        check("acme.orders-1", None, None, None);
        check("acme", Some(256), Some(3_650), None);
        for name in ["", "1a", "Acme", "a/b", "a b", &"a".repeat(65)] {
            check(name, None, None, Some("/name"));
        }
        check("acme", Some(0), None, Some("/partitions"));
        check("acme", Some(257), None, Some("/partitions"));
        check("acme", None, Some(0), Some("/retention_days"));
    }
}
