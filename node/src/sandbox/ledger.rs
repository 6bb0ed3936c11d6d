//! Every movement of money, in the order in which it happened.

use serde::Serialize;
use serde_json::{Value, json};

use super::store::{Intent, Metadata, Refund};

/// Entries kept; about 400 bytes each.
const MAX_ENTRIES: usize = 1_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Taken at once.
    Charge,
    /// Reserved.
    Authorization,
    /// Taken of what was reserved.
    Capture,
    /// Given up; no money moved.
    Cancel,
    /// Refused; no money moved.
    Decline,
    /// Asked for; the money is on its way.
    RefundPending,
    /// Given back.
    Refund,
    /// It did not arrive and is with the shop again.
    RefundFailed,
}

#[derive(Serialize)]
pub(super) struct Entry {
    /// 1, 2, 3…
    pub number: u64,
    pub kind: Kind,
    /// In Stripe's units, which are ISO 4217's minor units but for a few currencies.
    pub amount: i64,
    /// Upper case.
    pub currency: String,
    pub payment_intent: String,
    pub refund: Option<String>,
    /// Of the refund where there is one, else of the payment.
    pub metadata: Metadata,
    /// Under which key it was asked for; none where nobody asked.
    pub idempotency_key: Option<String>,
    pub created: i64,
}

#[derive(Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
}

/// Where and when an entry comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub idempotency_key: Option<&'a str>,
    pub now_s: i64,
}

impl Ledger {
    /// Whether the entries of one more request fit.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() + 4 > MAX_ENTRIES
    }

    /// Notes what happened to a payment.
    pub(super) fn payment(&mut self, kind: Kind, intent: &Intent, amount: i64, origin: Origin<'_>) {
        self.push(kind, amount, &intent.currency, &intent.metadata, origin, (&intent.id, None));
    }

    /// Notes what happened to a refund.
    pub(super) fn refund(&mut self, kind: Kind, refund: &Refund, origin: Origin<'_>) {
        let ids = (refund.intent.as_str(), Some(refund.id.as_str()));
        self.push(kind, refund.amount, &refund.currency, &refund.metadata, origin, ids);
    }

    fn push(
        &mut self,
        kind: Kind,
        amount: i64,
        currency: &str,
        metadata: &Metadata,
        origin: Origin<'_>,
        (payment_intent, refund): (&str, Option<&str>),
    ) {
        self.entries.push(Entry {
            number: self.entries.len() as u64 + 1,
            kind,
            amount,
            currency: currency.to_ascii_uppercase(),
            payment_intent: payment_intent.to_owned(),
            refund: refund.map(str::to_owned),
            metadata: metadata.clone(),
            idempotency_key: origin.idempotency_key.map(str::to_owned),
            created: origin.now_s,
        });
    }

    /// Entries after a number, at most so many, and the number to go on from.
    pub(super) fn page(&self, after: u64, limit: usize) -> Value {
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(self.entries.len());
        let page = &self.entries[from..from.saturating_add(limit).min(self.entries.len())];
        let more = from + page.len() < self.entries.len();
        let next_after = page.last().filter(|_| more).map(|entry| entry.number);
        json!({"data": page, "next_after": next_after})
    }
}
