//! Amounts as people type them: `12.50EUR`. The currency is never guessed, and nothing passes through a float.

use shop::money::{Currency, MAX_AMOUNT_MINOR, Money};

/// Reads digits, perhaps a point and no more decimals than the currency has, and the currency.
pub fn parse(text: &str) -> Result<Money, String> {
    let wrong = || "expected an amount with its currency, like 12.50EUR".to_owned();
    let split = text.len().checked_sub(3).filter(|split| text.is_char_boundary(*split)).ok_or_else(wrong)?;
    let (number, currency) = text.split_at(split);
    let currency: Currency = currency.parse().map_err(|error| format!("{error}"))?;
    let (whole, fraction) = match number.trim_end().split_once('.') {
        Some((_, "")) => return Err(wrong()),
        Some(parts) => parts,
        None => (number.trim_end(), ""),
    };
    let decimals = currency.exponent() as usize;
    if fraction.len() > decimals {
        return Err(format!("{currency} has {decimals} decimals"));
    }
    let digits = format!("{whole}{fraction:0<decimals$}");
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let amount = digits.parse().ok().filter(|amount| (0..=MAX_AMOUNT_MINOR).contains(amount));
    amount.map(|amount| Money::new(amount, currency)).ok_or_else(|| "the amount is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn amounts_are_read_by_their_currency() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(parse(text).ok().map(|m| m.amount), expect, "{text}")
        };
        check("12.50EUR", Some(1250));
        check("12.5 EUR", Some(1250));
        check("12EUR", Some(1200));
        check("0.05EUR", Some(5));
        check("1250JPY", Some(1250));
        check("1.234KWD", Some(1234));
        for wrong in [
            "",
            "EUR",
            "12.50",
            "12.505EUR",
            "1.5JPY",
            "-1EUR",
            "+1EUR",
            ".5EUR",
            "1.EUR",
            "1e3EUR",
            "1EURO",
            "1€",
            "99999999999999EUR",
            "1.2.3EUR",
        ] {
            check(wrong, None);
        }
    }
}
