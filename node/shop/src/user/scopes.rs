//! What a client or a key may do (OAuth 2 scopes, RFC 6749, section 3.3).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! scopes {
    ($($variant:ident, $text:literal;)*) => {
        /// One permission. Stored as a bit, by position: append only, at most 63.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Scope { $(#[doc = $text] $variant,)* }

        impl Scope {
            /// All of them, in stored order.
            pub const ALL: &'static [Scope] = &[$(Scope::$variant,)*];
            /// As in tokens and in the API.
            pub const fn as_str(self) -> &'static str { match self { $(Scope::$variant => $text,)* } }
        }
    };
}

scopes! {
    CatalogRead, "catalog:read";
    CatalogWrite, "catalog:write";
    StockRead, "stock:read";
    StockWrite, "stock:write";
    OrdersPlace, "orders:place";
    OrdersRead, "orders:read";
    OrdersWrite, "orders:write";
    PaymentsRead, "payments:read";
    PaymentsWrite, "payments:write";
    CustomersRead, "customers:read";
    CustomersWrite, "customers:write";
    ClientsWrite, "clients:write";
    EventsRead, "events:read";
    EventsWrite, "events:write";
    SettingsWrite, "settings:write";
    ClusterRead, "cluster:read";
    ClusterWrite, "cluster:write";
    BackupsWrite, "backups:write";
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes. Stored as bits; in JSON an array of texts, in tokens a text with spaces. `*` is every scope, also
/// those that later versions add.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(value_type = Vec<String>, example = json!(["orders:place", "catalog:read"])))]
pub struct Scopes(u64);

const EVERY: u64 = 1 << 63;

impl Scopes {
    /// Every scope, `*`.
    pub const EVERY: Self = Self(EVERY);

    /// These scopes.
    pub fn of(scopes: &[Scope]) -> Self {
        scopes.iter().fold(Self::default(), |set, scope| set.with(*scope))
    }

    /// The set with one more.
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u64)
    }

    /// Whether it allows what needs this scope.
    pub fn allows(self, scope: Scope) -> bool {
        self.0 & (EVERY | 1 << scope as u64) != 0
    }

    /// Whether it allows all that `other` allows.
    pub fn covers(self, other: Self) -> bool {
        self.0 & EVERY != 0 || other.0 & !self.0 == 0
    }

    /// Those in both: what a token gets of what it asked for.
    pub fn intersection(self, other: Self) -> Self {
        match (self.0 & EVERY != 0, other.0 & EVERY != 0) {
            (true, _) => other,
            (_, true) => self,
            _ => Self(self.0 & other.0),
        }
    }

    /// Whether it allows nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn texts(self) -> impl Iterator<Item = &'static str> {
        let every = (self.0 & EVERY != 0).then_some("*");
        let named = Scope::ALL.iter().filter(move |scope| self.0 & (1 << **scope as u64) != 0);
        every.into_iter().chain(named.map(|scope| scope.as_str()))
    }
}

/// Why a text is not a set of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope; there are * and {all}", all = all())]
pub struct ParseScopesError(String);

fn all() -> String {
    Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

fn add(set: Scopes, text: &str) -> Result<Scopes, ParseScopesError> {
    if text == "*" {
        return Ok(Scopes(set.0 | EVERY));
    }
    let scope = Scope::ALL.iter().copied().find(|scope| scope.as_str() == text);
    let unknown = || ParseScopesError(text.chars().take(64).collect());
    scope.map(|scope| set.with(scope)).ok_or_else(unknown)
}

impl FromStr for Scopes {
    type Err = ParseScopesError;

    /// From texts with spaces between them.
    fn from_str(text: &str) -> Result<Self, ParseScopesError> {
        text.split(' ').filter(|text| !text.is_empty()).try_fold(Self::default(), add)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.texts())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let texts = Vec::<String>::deserialize(deserializer)?;
            texts
                .iter()
                .try_fold(Self::default(), |set, text| add(set, text))
                .map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, Scopes};

    #[test]
    fn text_and_json_round_trip() {
        let set = Scopes::of(&[Scope::OrdersPlace, Scope::CatalogRead]);
        assert_eq!(set.to_string(), "catalog:read orders:place");
        assert_eq!(set.to_string().parse(), Ok(set));
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["catalog:read","orders:place"]"#);
        assert_eq!(serde_json::from_str::<Scopes>(r#"["*"]"#).unwrap(), Scopes::EVERY);
        assert!("catalog:read everything".parse::<Scopes>().is_err());
    }

    #[test]
    fn what_a_set_allows() {
        let some = Scopes::of(&[Scope::OrdersPlace]);
        assert!(some.allows(Scope::OrdersPlace) && !some.allows(Scope::OrdersRead));
        assert!(
            Scopes::EVERY.allows(Scope::ClusterRead)
                && Scopes::EVERY.covers(some)
                && !some.covers(Scopes::EVERY)
        );
        assert!(!some.covers(some.with(Scope::OrdersRead)) && some.with(Scope::OrdersRead).covers(some));
        assert_eq!(Scopes::EVERY.intersection(some), some);
        assert_eq!(some.intersection(Scopes::of(&[Scope::OrdersRead])), Scopes::default());
    }
}
