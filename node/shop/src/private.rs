//! Personal data, wrapped so that it cannot slip into a log by way of `Debug`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A personal value: names, mail addresses, postal addresses. `Debug` hides it; stored and sent as the value itself.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private<T>(pub T);

impl<T> Private<T> {
    /// The value, for whoever has a reason to see it.
    pub fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(private)")
    }
}

#[cfg(test)]
mod tests {
    use super::Private;

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Some(Private("ada@example.com"))), "Some((private))");
    }
}
