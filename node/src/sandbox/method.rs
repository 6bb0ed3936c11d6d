//! The cards of the sandbox.

/// What a card does when it is charged. Stripe's own test cards are known by their names too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Pays.
    Ok,
    /// Its bank says no.
    Declined,
    /// Its holder must say yes on a page first.
    ThreeDs,
    /// Pays, and the answer comes late.
    Slow,
    /// Pays, and the answer never comes.
    DropResponse,
}

impl Method {
    pub(super) fn parse(name: &str) -> Option<Method> {
        Some(match name {
            "card_ok" | "pm_card_visa" => Method::Ok,
            "card_declined" | "pm_card_visa_chargeDeclined" => Method::Declined,
            "card_3ds" | "pm_card_authenticationRequired" => Method::ThreeDs,
            "card_slow" => Method::Slow,
            "card_drop_response" => Method::DropResponse,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Method::Ok => "card_ok",
            Method::Declined => "card_declined",
            Method::ThreeDs => "card_3ds",
            Method::Slow => "card_slow",
            Method::DropResponse => "card_drop_response",
        }
    }
}
