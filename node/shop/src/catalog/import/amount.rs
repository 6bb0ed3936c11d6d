use crate::money::{Currency, MAX_AMOUNT_MINOR};

/// Minor units of a decimal number like `9.99`, without floats: digits, and a point with at most as many decimals as
/// the currency has (zeros behind those are passed over). No signs, no thousands, no currency marks.
pub(super) fn minor_units(text: &str, currency: Currency) -> Result<i64, String> {
    let decimals = currency.exponent() as usize;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(format!("{:?} is no decimal number like 9.99", clipped(text)));
    }
    let (kept, behind) = part.split_at(decimals.min(part.len()));
    if behind.bytes().any(|byte| byte != b'0') {
        return Err(format!("{currency} has {decimals} decimals"));
    }
    let minor = whole.bytes().chain(kept.bytes()).try_fold(0i64, |sum, digit| {
        let sum = sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        (sum <= MAX_AMOUNT_MINOR).then_some(sum)
    });
    let scaled =
        minor.and_then(|minor| minor.checked_mul(10i64.checked_pow((decimals - kept.len()) as u32)?));
    scaled.filter(|minor| *minor <= MAX_AMOUNT_MINOR).ok_or_else(|| "the amount is too large".to_owned())
}

/// A text short enough for an error.
pub(super) fn clipped(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::minor_units;
    use crate::money::{MAX_AMOUNT_MINOR, Money};

    #[test]
    fn decimals_of_currencies() {
        let check = |text: &str, currency: &str, expect: Option<i64>| {
            assert_eq!(minor_units(text, currency.parse().unwrap()).ok(), expect, "{text} {currency}");
        };
        check("9.99", "EUR", Some(999));
        check("9.9", "EUR", Some(990));
        check("9", "EUR", Some(900));
        check("9.9900", "EUR", Some(999));
        check("0", "EUR", Some(0));
        check("100", "JPY", Some(100));
        check("100.00", "JPY", Some(100));
        check("1.234", "KWD", Some(1_234));
        check("100000000000.00", "EUR", Some(MAX_AMOUNT_MINOR));
        for bad in
            ["", ".", "9.", ".5", "-1", "+1", "1e3", "1,000.00", "9,99", "\u{20ac}9", "NaN", "9.991", "1 000"]
        {
            check(bad, "EUR", None);
        }
        check("100.5", "JPY", None);
        check("100000000000.01", "EUR", None);
        check("99999999999999999999999", "EUR", None);
    }

    proptest! {
        #[test]
        fn what_money_prints_is_read_back(amount in 0i64..=MAX_AMOUNT_MINOR) {
            for currency in ["EUR", "JPY", "KWD"] {
                let money = Money::new(amount, currency.parse().unwrap());
                let text = money.to_string();
                assert_eq!(minor_units(&text[..text.len() - 4], money.currency), Ok(amount));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = minor_units(&text, crate::money::Currency::EUR);
        }
    }
}
