//! What stands in a table: texts made harmless, numbers, money, times, states with their tone.

use serde::Serialize;
use shop::money::{Currency, Money};
use shop::time::Timestamp;

use crate::output::clean;

/// What a cell's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Waiting,
    Bad,
    /// Of little interest.
    Faint,
}

/// One cell.
#[derive(Debug, Clone)]
pub struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
    /// Numbers are set to the right.
    pub(super) right: bool,
}

impl Cell {
    pub fn text(text: impl AsRef<str>) -> Self {
        Self { text: clean(text.as_ref()).replace('\n', " "), tone: Tone::Plain, right: false }
    }

    pub fn number(number: impl ToString) -> Self {
        Self { text: number.to_string(), tone: Tone::Plain, right: true }
    }

    /// An id, or anything that prints itself.
    pub fn of(value: impl ToString) -> Self {
        Self::text(value.to_string())
    }

    /// The value, or a dash for none.
    pub fn maybe<T: ToString>(value: Option<T>) -> Self {
        value.map_or_else(
            || Self { tone: Tone::Faint, ..Self::text("-") },
            |value| Self::text(value.to_string()),
        )
    }

    /// An amount with its currency's decimals.
    pub fn money(money: Money) -> Self {
        Self { text: format_money(money), tone: Tone::Plain, right: true }
    }

    /// A point in time, UTC, to the second.
    pub fn time(time: Timestamp) -> Self {
        Self::text(format_time(time))
    }

    /// A state, coloured by what it asks of the reader.
    pub fn state(state: impl AsRef<str>) -> Self {
        let tone = tone_of(state.as_ref());
        Self { tone, ..Self::text(state) }
    }

    /// A state that is an enum in the API, by its word there.
    pub fn word(state: &impl Serialize) -> Self {
        Self::state(word_of(state))
    }

    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// The word that stands for a value of an enum in the API's JSON.
pub fn word_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".into(),
    }
}

/// The tone of the API's state words.
fn tone_of(state: &str) -> Tone {
    match state {
        "open" | "completed" | "paid" | "captured" | "succeeded" | "fulfilled" | "delivered"
        | "published" | "active" | "alive" | "done" | "ready" => Tone::Good,
        "pending_payment" | "processing" | "sending" | "created" | "requires_action" | "authorized"
        | "capturing" | "voiding" | "canceling" | "pending" | "partial" | "partially_paid" | "suspect"
        | "draining" | "running" | "queued" => Tone::Waiting,
        "unknown" | "declined" | "failed" | "disputed" | "down" | "fenced" => Tone::Bad,
        "none" | "canceled" | "expired" | "voided" | "draft" | "archived" | "unfulfilled" | "revoked" => {
            Tone::Faint
        }
        _ => Tone::Plain,
    }
}

/// `24.99 EUR`, `2499 JPY`, `2.499 KWD`: minor units with the currency's decimals (ISO 4217).
pub fn format_money(money: Money) -> String {
    format!("{} {}", format_minor(money.amount, money.currency), money.currency)
}

fn format_minor(amount: i64, currency: Currency) -> String {
    let exponent = currency.exponent() as usize;
    let sign = if amount < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `2026-01-31 12:00:00Z`.
pub fn format_time(time: Timestamp) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(of_day)) => format!("{day} {of_day}Z"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, currency: &str) -> String {
        format_money(Money { amount, currency: currency.parse().unwrap() })
    }

    #[test]
    fn money_has_its_currencys_decimals() {
        assert_eq!(money(2499, "EUR"), "24.99 EUR");
        assert_eq!(money(5, "EUR"), "0.05 EUR");
        assert_eq!(money(-5, "EUR"), "-0.05 EUR");
        assert_eq!(money(2499, "JPY"), "2499 JPY");
        assert_eq!(money(2499, "KWD"), "2.499 KWD");
        assert_eq!(money(i64::MIN, "EUR"), "-92233720368547758.08 EUR");
    }

    #[test]
    fn time_is_utc_to_the_second() {
        assert_eq!(format_time(Timestamp::from_millis(1_795_359_600_500)), "2026-11-22 15:00:00Z");
    }
}
