//! A value that must not be told: a secret, or something about a person.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Holds a secret or personal data on its way through the node. Neither `Debug` nor `Display` shows it, it cannot be
/// serialised, and whoever needs the content says so with [`Redacted::reveal`], which a reviewer can search for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    pub const fn new(content: T) -> Redacted<T> {
        Redacted(content)
    }

    /// The content, for the one place that needs it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    pub fn into_revealed(self) -> T {
        self.0
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Redacted<U> {
        Redacted(change(self.0))
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(content: T) -> Redacted<T> {
        Redacted(content)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Redacted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Redacted<T>, D::Error> {
        T::deserialize(deserializer).map(Redacted)
    }
}

#[cfg(test)]
mod tests {
    use super::Redacted;

    #[derive(Debug)]
    struct Customer {
        email: Redacted<String>,
        orders: u32,
    }

    #[test]
    fn no_format_shows_the_content() {
        let customer = Customer { email: Redacted::new("ada@example.com".to_owned()), orders: 3 };
        let shown = format!("{customer:?} {customer:#?} {} {:>40}", customer.email, customer.email);
        assert!(!shown.contains("ada"), "{shown}");
        assert!(shown.contains("orders: 3"));
        assert_eq!(customer.email.reveal(), "ada@example.com");
        assert_eq!(customer.orders, 3);
    }
}
