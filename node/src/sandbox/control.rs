//! How the sandbox behaves, as the control API sets it.

use serde::{Deserialize, Serialize};

use super::faults;

/// A card that is slow answers later than the shop's deadline for a provider.
const SLOW_DELAY_MS: u64 = 25_000;
pub(super) const MAX_DELAY_MS: u64 = 600_000;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Settings {
    pub webhook_urls: Vec<String>,
    pub webhooks: Webhooks,
    pub slow_delay_ms: u64,
    pub refunds: Refunds,
    /// Whether payments can be searched by metadata; not every provider of this protocol can.
    pub search: bool,
}

impl Settings {
    pub(super) fn new(webhook_urls: Vec<String>) -> Settings {
        Settings {
            webhook_urls,
            webhooks: Webhooks {
                mode: Mode::Deliver,
                order: DeliveryOrder::InOrder,
                copies: 1,
                delay_ms: 0,
                concurrency: 8,
            },
            slow_delay_ms: SLOW_DELAY_MS,
            refunds: Refunds { outcome: Outcome::Succeeded, settle_after_ms: None },
            search: true,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Webhooks {
    pub mode: Mode,
    pub order: DeliveryOrder,
    /// How often each is sent.
    pub copies: u8,
    /// How late.
    pub delay_ms: u64,
    /// How many are under way at once. With 1 they arrive in the order in which they are sent.
    pub concurrency: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Deliver,
    /// Kept until `release`.
    Hold,
    /// Never sent.
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeliveryOrder {
    InOrder,
    /// What falls into one window of `delay_ms` (at least 200) is sent at its end, newest first.
    Reversed,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refunds {
    pub outcome: Outcome,
    /// Pending until then; settled at once when absent.
    pub settle_after_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Succeeded,
    Failed,
}

/// The body of `POST /sandbox/control`. What is absent stays as it is. It is carried out from top to bottom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    /// Forget all payments, refunds, keys, the ledger, faults and waiting webhooks.
    #[serde(default)]
    pub reset: bool,
    pub webhook_url: Option<String>,
    pub webhooks: Option<WebhooksPatch>,
    pub slow_delay_ms: Option<u64>,
    pub refunds: Option<Refunds>,
    pub search: Option<bool>,
    /// Settle all pending refunds now.
    pub settle_refunds: Option<Outcome>,
    /// Forget the faults that wait.
    #[serde(default)]
    pub clear_faults: bool,
    /// What was executed stays; the answers to its keys are gone, as after a day.
    #[serde(default)]
    pub forget_keys: bool,
    #[serde(default)]
    pub faults: Vec<faults::Order>,
    /// Send the webhooks that are held, in this order.
    pub release: Option<DeliveryOrder>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksPatch {
    mode: Option<Mode>,
    order: Option<DeliveryOrder>,
    copies: Option<u8>,
    delay_ms: Option<u64>,
    concurrency: Option<usize>,
}

impl Settings {
    /// Where an attempt, counted from 1, goes: another one than the last, in case that one is down.
    pub(super) fn webhook_url(&self, attempt: u32) -> Option<String> {
        let place = (attempt as usize).checked_sub(1)?.checked_rem(self.webhook_urls.len())?;
        self.webhook_urls.get(place).cloned()
    }

    /// Changes what the request names. The error says which value cannot be.
    pub(super) fn change(&mut self, control: &Control) -> Result<(), &'static str> {
        if let Some(url) = &control.webhook_url {
            if !reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
                return Err("webhook_url must be an http URL");
            }
            self.webhook_urls = vec![url.clone()];
        }
        if let Some(patch) = &control.webhooks {
            self.webhooks.change(patch)?;
        }
        if let Some(delay_ms) = control.slow_delay_ms {
            self.slow_delay_ms = delay_ms.min(MAX_DELAY_MS);
        }
        self.refunds = control.refunds.unwrap_or(self.refunds);
        self.search = control.search.unwrap_or(self.search);
        Ok(())
    }
}

impl Webhooks {
    fn change(&mut self, patch: &WebhooksPatch) -> Result<(), &'static str> {
        let copies = patch.copies.unwrap_or(self.copies);
        let concurrency = patch.concurrency.unwrap_or(self.concurrency);
        if !(1..=10).contains(&copies) {
            return Err("webhooks.copies must be 1 to 10");
        }
        if !(1..=64).contains(&concurrency) {
            return Err("webhooks.concurrency must be 1 to 64");
        }
        *self = Webhooks {
            mode: patch.mode.unwrap_or(self.mode),
            order: patch.order.unwrap_or(self.order),
            copies,
            delay_ms: patch.delay_ms.unwrap_or(self.delay_ms).min(MAX_DELAY_MS),
            concurrency,
        };
        Ok(())
    }
}
