//! Stripe's objects, and what each of them proves about a payment.
//!
//! Sources: <https://docs.stripe.com/api/payment_intents/object>, `/api/charges/object`, `/api/refunds/object`.
//! Fields that compatible servers leave out are optional here; what is unknown is ignored.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use shop::{Currency, Money};

use super::config::is_loopback;
use super::units::from_stripe;
use crate::effects::provider::{NextAction, Observed, ObservedRefund, PaymentStatus, RefundStatus, Source};

/// An object that says something this code does not understand. Nothing is concluded from it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an object of this protocol: {0}")]
pub struct Malformed(pub String);

type Metadata = BTreeMap<String, Value>;

#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    id: String,
    amount: i64,
    amount_capturable: Option<i64>,
    amount_received: Option<i64>,
    currency: String,
    status: String,
    created: i64,
    metadata: Option<Metadata>,
    next_action: Option<Action>,
    last_payment_error: Option<PaymentError>,
    latest_charge: Option<Expandable<Charge>>,
}

/// A list, as far as it was sent.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

/// An object that is sent either whole or as its id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expandable<T> {
    Object(Box<T>),
    Id(String),
}

#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    id: String,
    amount: i64,
    amount_captured: Option<i64>,
    amount_refunded: Option<i64>,
    #[serde(default)]
    captured: bool,
    currency: String,
    status: Option<String>,
    #[serde(default)]
    created: i64,
    payment_intent: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
    refunds: Option<List<RefundObject>>,
}

#[derive(Debug, Deserialize)]
struct Identified {
    id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundObject {
    id: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    failure_reason: Option<String>,
    #[serde(default)]
    created: i64,
    payment_intent: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    redirect_to_url: Option<Redirect>,
}

#[derive(Debug, Deserialize)]
struct Redirect {
    url: String,
}

#[derive(Debug, Deserialize)]
struct PaymentError {
    code: Option<String>,
    decline_code: Option<String>,
}

impl Intent {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn created_s(&self) -> i64 {
        self.created
    }

    /// Whether this payment was made for the attempt.
    pub(super) fn is_of(&self, attempt_id: &str) -> bool {
        word_in(self.metadata.as_ref(), "attempt").as_deref() == Some(attempt_id)
    }

    /// What this payment proves.
    pub(super) fn observed(self, source: Source) -> Result<Observed, Malformed> {
        let currency = currency(&self.currency)?;
        let minor = |amount: i64| minor_units(amount, currency);
        let amount_minor = minor(self.amount)?;
        let status = self.status()?;
        let (charge, never_charged) = match self.latest_charge {
            Some(Expandable::Object(charge)) => (Some(*charge), false),
            Some(Expandable::Id(_)) => (None, false),
            None => (None, true),
        };
        let paid = charge.as_ref().filter(|charge| charge.status.as_deref() == Some("succeeded"));
        let authorized_minor = match status {
            PaymentStatus::Authorized => minor(self.amount_capturable.unwrap_or(self.amount))?,
            PaymentStatus::Captured => amount_minor,
            PaymentStatus::Canceled => paid.map(|charge| minor(charge.amount)).transpose()?.unwrap_or(0),
            _ => 0,
        };
        let captured_minor = match (self.amount_received, &status) {
            (Some(received), _) => minor(received)?,
            (None, PaymentStatus::Captured) => minor(charge.as_ref().map_or(self.amount, Charge::captured))?,
            (None, _) => 0,
        };
        let refunded_minor = minor(charge.as_ref().and_then(|charge| charge.amount_refunded).unwrap_or(0))?;
        let (refunds, refunds_complete) = match charge.and_then(|charge| charge.refunds) {
            Some(list) => (refunds_of(list.data, &source)?, !list.has_more),
            None => (Vec::new(), never_charged),
        };
        Ok(Observed {
            provider_id: checked_id(&self.id)?,
            attempt_id: word_in(self.metadata.as_ref(), "attempt"),
            order_id: word_in(self.metadata.as_ref(), "order"),
            status,
            amount: Money::new(amount_minor, currency),
            authorized_minor,
            captured_minor,
            refunded_minor,
            refunds,
            refunds_complete,
            created_s: self.created,
            source,
        })
    }

    fn status(&self) -> Result<PaymentStatus, Malformed> {
        Ok(match self.status.as_str() {
            "requires_confirmation" => PaymentStatus::RequiresConfirmation,
            "requires_action" => PaymentStatus::RequiresAction { next_action: self.next_action()? },
            "processing" => PaymentStatus::Processing,
            "requires_capture" => PaymentStatus::Authorized,
            "succeeded" => PaymentStatus::Captured,
            "canceled" => PaymentStatus::Canceled,
            // Every payment of ours is confirmed with a card: if it wants another one, this one was refused.
            "requires_payment_method" => PaymentStatus::Declined { code: self.decline_code() },
            other => return Err(Malformed(format!("payment status {:?}", brief(other)))),
        })
    }

    fn next_action(&self) -> Result<NextAction, Malformed> {
        let Some(action) = &self.next_action else { return Ok(NextAction::ProviderLibrary) };
        match &action.redirect_to_url {
            Some(redirect) if action.kind == "redirect_to_url" => {
                let safe = redirect.url.len() <= 2048
                    && Url::parse(&redirect.url).is_ok_and(|url| {
                        url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url))
                    });
                if !safe {
                    return Err(Malformed("a next action whose URL is not https".to_owned()));
                }
                Ok(NextAction::Redirect { url: redirect.url.clone() })
            }
            _ => Ok(NextAction::ProviderLibrary),
        }
    }

    fn decline_code(&self) -> String {
        let error = self.last_payment_error.as_ref();
        let code = error.and_then(|error| error.decline_code.as_deref().or(error.code.as_deref()));
        code.map_or_else(|| "payment_method_required".to_owned(), clean_code)
    }
}

impl Charge {
    fn captured(&self) -> i64 {
        match (self.amount_captured, self.captured) {
            (Some(amount), _) => amount,
            (None, true) => self.amount,
            (None, false) => 0,
        }
    }

    /// What a charge alone proves about its payment; Stripe copies the payment's metadata into it.
    pub(super) fn observed(self, source: Source) -> Result<Observed, Malformed> {
        let currency = currency(&self.currency)?;
        let minor = |amount: i64| minor_units(amount, currency);
        let status = match (self.status.as_deref(), self.captured) {
            (Some("succeeded"), true) => PaymentStatus::Captured,
            (Some("succeeded"), false) => PaymentStatus::Authorized,
            (Some("pending"), _) => PaymentStatus::Processing,
            (Some("failed"), _) => PaymentStatus::Declined { code: "charge_failed".to_owned() },
            (other, _) => return Err(Malformed(format!("charge status {:?}", brief(other.unwrap_or(""))))),
        };
        let succeeded = matches!(status, PaymentStatus::Captured | PaymentStatus::Authorized);
        let amount_minor = minor(self.amount)?;
        let captured_minor = minor(self.captured())?;
        let refunded_minor = minor(self.amount_refunded.unwrap_or(0))?;
        let (refunds, refunds_complete) = match self.refunds {
            Some(list) => (refunds_of(list.data, &source)?, !list.has_more),
            None => (Vec::new(), false),
        };
        Ok(Observed {
            provider_id: checked_id(&id_of(self.payment_intent).unwrap_or(self.id))?,
            attempt_id: word_in(self.metadata.as_ref(), "attempt"),
            order_id: word_in(self.metadata.as_ref(), "order"),
            status,
            amount: Money::new(amount_minor, currency),
            authorized_minor: if succeeded { amount_minor } else { 0 },
            captured_minor,
            refunded_minor,
            refunds,
            refunds_complete,
            created_s: self.created,
            source,
        })
    }
}

impl RefundObject {
    /// What this refund proves.
    pub(super) fn observed(self, source: Source) -> Result<ObservedRefund, Malformed> {
        let currency = currency(&self.currency)?;
        let status = match self.status.as_deref() {
            Some("succeeded") => RefundStatus::Succeeded,
            Some("pending" | "requires_action") | None => RefundStatus::Pending,
            Some(end @ ("failed" | "canceled")) => {
                RefundStatus::Failed { code: clean_code(self.failure_reason.as_deref().unwrap_or(end)) }
            }
            Some(other) => return Err(Malformed(format!("refund status {:?}", brief(other)))),
        };
        Ok(ObservedRefund {
            provider_refund_id: checked_id(&self.id)?,
            provider_id: id_of(self.payment_intent),
            refund_id: word_in(self.metadata.as_ref(), "refund"),
            attempt_id: word_in(self.metadata.as_ref(), "attempt"),
            status,
            amount: Money::new(minor_units(self.amount, currency)?, currency),
            created_s: self.created,
            source,
        })
    }
}

/// The refunds of a list, each with the source of the list.
pub(super) fn refunds_of(
    objects: Vec<RefundObject>,
    source: &Source,
) -> Result<Vec<ObservedRefund>, Malformed> {
    objects.into_iter().map(|refund| refund.observed(source.clone())).collect()
}

fn id_of(reference: Option<Expandable<Identified>>) -> Option<String> {
    match reference? {
        Expandable::Object(object) => Some(object.id),
        Expandable::Id(id) => Some(id),
    }
}

fn checked_id(id: &str) -> Result<String, Malformed> {
    super::client::path_id(id).map(str::to_owned).map_err(|_| Malformed("an id that is no word".to_owned()))
}

fn currency(code: &str) -> Result<Currency, Malformed> {
    code.to_ascii_uppercase().parse().map_err(|_| Malformed(format!("currency {:?}", brief(code))))
}

fn minor_units(amount: i64, currency: Currency) -> Result<i64, Malformed> {
    from_stripe(amount, currency)
        .filter(|minor| *minor >= 0)
        .ok_or_else(|| Malformed(format!("an amount of {amount} {currency}")))
}

/// An id that we once put into the metadata. Whatever does not look like one is nobody's.
fn word_in(metadata: Option<&Metadata>, key: &str) -> Option<String> {
    let word = metadata?.get(key)?.as_str()?;
    let plain = !word.is_empty()
        && word.len() <= 64
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    plain.then(|| word.to_owned())
}

/// A code of the provider, fit to be stored and shown: `[a-z0-9_]{1,64}`.
pub(super) fn clean_code(code: &str) -> String {
    let clean: String = code
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .map(|c| c.to_ascii_lowercase())
        .take(64)
        .collect();
    if clean.is_empty() { "unspecified".to_owned() } else { clean }
}

/// Enough of a foreign text to recognize it in an error.
pub(super) fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
