//! What tests of several workers begin with.

use shop::order::{LineRequest, Personal, PlaceOrder, Wanted};
use shop::payment::{Choice, Provider};
use shop::{Currency, Private};

/// One unit of `TEA-1`, paid by a card at the sandbox.
pub fn order_by_card() -> PlaceOrder {
    let line = LineRequest { sku: "TEA-1".parse().unwrap(), quantity: 1 };
    PlaceOrder {
        wanted: Wanted::Lines { currency: Currency::EUR, lines: vec![line] },
        owner: None,
        customer: None,
        personal: Private(Personal {
            email: "ada@example.com".into(),
            shipping_address: None,
            billing_address: None,
        }),
        expected_total: None,
        payment: Some(Choice { provider: Provider::Sandbox, method: "card_ok".into(), capture: None }),
    }
}
