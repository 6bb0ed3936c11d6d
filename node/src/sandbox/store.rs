//! What the sandbox remembers, and how much of it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::Options;
use super::control::Settings;
use super::faults::Faults;
use super::idempotency::Answers;
use super::ledger::Ledger;
use super::method::Method;
use super::refusal::Refusal;
use super::webhooks::{Notice, Outbox};
use crate::clock::{SystemClock, random};

/// Payments kept; with their answers about 1 KiB each.
pub(super) const MAX_INTENTS: usize = 250_000;
/// Refunds kept.
pub(super) const MAX_REFUNDS: usize = 250_000;

pub(super) type Metadata = BTreeMap<String, String>;

/// What every handler shares.
#[derive(Clone)]
pub(super) struct App(Arc<Shared>);

pub(super) struct Shared {
    store: Mutex<Store>,
    pub outbox: Outbox,
    pub http: reqwest::Client,
    pub base_url: String,
    pub webhook_secret: SecretString,
    pub api_key: SecretString,
    clock: SystemClock,
}

impl App {
    pub(super) fn new(base_url: String, options: Options) -> io::Result<App> {
        let http = reqwest::Client::builder()
            .timeout(super::webhooks::ATTEMPT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(io::Error::other)?;
        let seed = u64::from_be_bytes(random::<8>().map_err(io::Error::other)?);
        Ok(App(Arc::new(Shared {
            store: Mutex::new(Store::new(seed, Settings::new(options.webhook_urls))),
            outbox: Outbox::default(),
            http,
            base_url,
            webhook_secret: options.webhook_secret,
            api_key: options.api_key,
            clock: SystemClock::start(),
        })))
    }

    /// The one lock. Never held across an await; a panic under it leaves nothing half done that matters here.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues webhooks, in the order in which things happened.
    pub(super) fn announce(&self, notices: Vec<Notice>) {
        let (settings, now_s) = (self.store().settings.webhooks.clone(), self.now_s());
        for notice in notices {
            let id = self.store().fresh_id("evt");
            self.outbox.put(notice.event(id, now_s), &settings);
        }
    }

    /// Seconds since 1970.
    pub(super) fn now_s(&self) -> i64 {
        (self.0.clock.now_ms() / 1000) as i64
    }
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

pub(super) struct Store {
    seed: u64,
    made: u64,
    pub intents: HashMap<String, Intent>,
    /// Ids in the order of their creation.
    pub intent_order: Vec<String>,
    pub refunds: HashMap<String, Refund>,
    pub ledger: Ledger,
    pub answers: Answers,
    pub settings: Settings,
    pub faults: Faults,
}

impl Store {
    fn new(seed: u64, settings: Settings) -> Store {
        Store {
            seed,
            made: 0,
            intents: HashMap::new(),
            intent_order: Vec::new(),
            refunds: HashMap::new(),
            ledger: Ledger::default(),
            answers: Answers::default(),
            settings,
            faults: Faults::default(),
        }
    }

    /// Forgets all payments; settings stay, and ids go on.
    pub(super) fn reset(&mut self) {
        let settings = self.settings.clone();
        *self = Store { made: self.made, ..Store::new(self.seed, settings) };
    }

    /// An id that no other run of the sandbox gives out, so that a restarted one is not taken for this one.
    pub(super) fn fresh_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{:016x}{:08x}", self.seed, self.made)
    }

    pub(super) fn intent(&self, id: &str) -> Result<&Intent, Refusal> {
        self.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id))
    }

    pub(super) fn intent_mut(&mut self, id: &str) -> Result<&mut Intent, Refusal> {
        self.intents.get_mut(id).ok_or_else(|| Refusal::missing("payment_intent", id))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl IntentStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            IntentStatus::RequiresPaymentMethod => "requires_payment_method",
            IntentStatus::RequiresConfirmation => "requires_confirmation",
            IntentStatus::RequiresAction => "requires_action",
            IntentStatus::RequiresCapture => "requires_capture",
            IntentStatus::Succeeded => "succeeded",
            IntentStatus::Canceled => "canceled",
        }
    }
}

/// A payment.
pub(super) struct Intent {
    pub id: String,
    /// In Stripe's units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    pub manual_capture: bool,
    pub method: Option<Method>,
    pub metadata: Metadata,
    pub status: IntentStatus,
    pub charge: Option<Charge>,
    pub error: Option<CardError>,
    pub created_s: i64,
}

/// One try to take the money.
pub(super) struct Charge {
    pub id: String,
    pub succeeded: bool,
    pub captured: i64,
    /// Refunds that did not fail, pending ones included.
    pub refunded: i64,
    /// Ids, newest last.
    pub refunds: Vec<String>,
    pub created_s: i64,
}

/// Why the last try failed.
#[derive(Clone)]
pub(super) struct CardError {
    pub code: &'static str,
    pub decline_code: Option<&'static str>,
    pub message: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

impl RefundStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Pending => "pending",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
        }
    }
}

pub(super) struct Refund {
    pub id: String,
    pub intent: String,
    pub charge: String,
    pub amount: i64,
    pub currency: String,
    pub status: RefundStatus,
    pub metadata: Metadata,
    pub created_s: i64,
}
