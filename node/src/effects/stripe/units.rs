//! Stripe's minor units, where they are not ISO 4217's.
//!
//! Source: <https://docs.stripe.com/currencies#special-cases>. Króna and Ugandan shilling have no minor unit any
//! more but are sent as if they had two digits; the ariary, which has two by ISO, is sent without any; amounts with
//! three digits must end in a zero.

use shop::{Currency, Money};

/// The amount as Stripe counts it, or `None` where Stripe cannot express it.
pub(super) fn to_stripe(money: Money) -> Option<i64> {
    match money.currency.as_str() {
        "ISK" | "UGX" => money.amount.checked_mul(100),
        "MGA" => exactly(money.amount, 100),
        _ if money.currency.exponent() == 3 => exactly(money.amount, 10).and(Some(money.amount)),
        _ => Some(money.amount),
    }
}

/// Stripe's amount in minor units by ISO 4217, or `None` where it has a fraction of one.
pub(super) fn from_stripe(amount: i64, currency: Currency) -> Option<i64> {
    match currency.as_str() {
        "ISK" | "UGX" => exactly(amount, 100),
        "MGA" => amount.checked_mul(100),
        _ => Some(amount),
    }
}

fn exactly(amount: i64, by: i64) -> Option<i64> {
    (amount % by == 0).then_some(amount / by)
}

#[cfg(test)]
mod tests {
    use shop::Money;

    use super::{from_stripe, to_stripe};

    #[test]
    fn the_same_money_on_both_sides() {
        fn check(amount_minor: i64, currency: &str, stripe: Option<i64>) {
            let currency = currency.parse().unwrap();
            assert_eq!(to_stripe(Money::new(amount_minor, currency)), stripe, "{amount_minor} {currency}");
            if let Some(stripe) = stripe {
                assert_eq!(from_stripe(stripe, currency), Some(amount_minor), "{stripe} {currency} back");
            }
        }
        check(1099, "EUR", Some(1099));
        check(500, "JPY", Some(500));
        check(500, "ISK", Some(50_000));
        check(500, "UGX", Some(50_000));
        check(50_000, "MGA", Some(500));
        check(50_001, "MGA", None);
        check(1230, "KWD", Some(1230));
        check(1234, "KWD", None);
        check(i64::MAX, "ISK", None);
        assert_eq!(from_stripe(101, "ISK".parse().unwrap()), None);
    }
}
