//! `[rate_limit]`: how often one caller may ask, by class of route.
//!
//! A limit holds for the cluster: nodes tell each other twice a second what they admitted. Until then each knows its own
//! requests only, so a caller who uses `n` nodes at once gets at most `n` bursts; what was too much is taken off later.

use serde::{Deserialize, Serialize};

use super::problems::Problems;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    pub enabled: bool,
    /// Reading the catalogue and one's own things.
    pub read: RateLimitClass,
    /// Carts, accounts: what changes something but moves no money.
    pub write: RateLimitClass,
    /// Placing and paying.
    pub order: RateLimitClass,
    /// Asking for tokens: what a guesser of passwords does.
    pub auth: RateLimitClass,
    /// Staff and partners.
    pub admin: RateLimitClass,
    /// Calls of payment providers.
    pub hook: RateLimitClass,
    /// Service clients, whatever they call. No limit unless set: overload answers 503.
    pub client: RateLimitClass,
    /// One service client in one class of routes, besides. No limits unless set.
    pub client_read: RateLimitClass,
    pub client_write: RateLimitClass,
    pub client_order: RateLimitClass,
    pub client_admin: RateLimitClass,
}

/// One class. `per_minute = 0` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitClass {
    pub per_minute: u32,
    /// How many may come at once.
    pub burst: u32,
}

impl RateLimitClass {
    const fn new(per_minute: u32, burst: u32) -> RateLimitClass {
        RateLimitClass { per_minute, burst }
    }
}

impl Default for RateLimitClass {
    fn default() -> RateLimitClass {
        RateLimitClass::new(0, 1)
    }
}

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit {
            enabled: true,
            read: RateLimitClass::new(1200, 200),
            write: RateLimitClass::new(240, 60),
            order: RateLimitClass::new(30, 10),
            auth: RateLimitClass::new(30, 10),
            admin: RateLimitClass::new(6000, 600),
            hook: RateLimitClass::new(6000, 600),
            client: RateLimitClass::default(),
            client_read: RateLimitClass::default(),
            client_write: RateLimitClass::default(),
            client_order: RateLimitClass::default(),
            client_admin: RateLimitClass::default(),
        }
    }
}

impl RateLimit {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        let classes = [
            ("read", self.read),
            ("write", self.write),
            ("order", self.order),
            ("auth", self.auth),
            ("admin", self.admin),
            ("hook", self.hook),
            ("client", self.client),
            ("client_read", self.client_read),
            ("client_write", self.client_write),
            ("client_order", self.client_order),
            ("client_admin", self.client_admin),
        ];
        for (name, class) in classes {
            problems.range(&format!("rate_limit.{name}.per_minute"), class.per_minute, 0..=6_000_000);
            problems.range(&format!("rate_limit.{name}.burst"), class.burst, 1..=100_000);
        }
    }
}
