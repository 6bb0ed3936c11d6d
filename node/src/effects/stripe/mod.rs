//! The payment provider that speaks Stripe's HTTP API: Stripe itself, or a server that speaks the same protocol.
//!
//! Source: <https://docs.stripe.com/api>, pinned to `API_VERSION`. Requests are forms, answers are JSON. Requests
//! carry as little as possible: cards only, no description, so that compatible servers accept them.

mod client;
mod config;
mod failure;
mod find;
mod objects;
mod payments;
mod refunds;
mod units;
pub mod webhook;

#[cfg(test)]
mod against_sandbox;
#[cfg(test)]
mod against_silence;

use crate::effects::provider::{
    Authorize, Call, Cancel, Capture, Confirm, Find, Found, Observed, ObservedRefund, PaymentProvider,
    Refund, Retrieve,
};

pub(super) use config::is_loopback;
pub use config::{ConfigError, StripeConfig};

/// The version of the API whose objects this code reads. It is sent with every call, so that the account's own
/// default does not matter.
pub const API_VERSION: &str = "2025-03-31.basil";

/// A provider that speaks Stripe's protocol.
#[derive(Debug)]
pub struct Stripe {
    name: String,
    return_url: Option<String>,
    client: client::Client,
}

impl Stripe {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: StripeConfig) -> Result<Self, ConfigError> {
        let client = client::Client::new(&config)?;
        Ok(Stripe { name: config.name, return_url: config.return_url, client })
    }
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &str {
        &self.name
    }

    fn authorize<'a>(&'a self, request: &'a Authorize) -> Call<'a, Observed> {
        Box::pin(payments::authorize(&self.client, self.return_url.as_deref(), request))
    }

    fn confirm<'a>(&'a self, request: &'a Confirm) -> Call<'a, Observed> {
        Box::pin(payments::confirm(&self.client, request))
    }

    fn capture<'a>(&'a self, request: &'a Capture) -> Call<'a, Observed> {
        Box::pin(payments::capture(&self.client, request))
    }

    fn cancel<'a>(&'a self, request: &'a Cancel) -> Call<'a, Observed> {
        Box::pin(payments::cancel(&self.client, request))
    }

    fn retrieve<'a>(&'a self, request: &'a Retrieve) -> Call<'a, Observed> {
        Box::pin(payments::retrieve(&self.client, request))
    }

    fn find<'a>(&'a self, request: &'a Find) -> Call<'a, Found> {
        Box::pin(find::find(&self.client, request))
    }

    fn refund<'a>(&'a self, request: &'a Refund) -> Call<'a, ObservedRefund> {
        Box::pin(refunds::refund(&self.client, request))
    }

    fn retrieve_refund<'a>(&'a self, request: &'a Retrieve) -> Call<'a, ObservedRefund> {
        Box::pin(refunds::retrieve(&self.client, request))
    }
}
