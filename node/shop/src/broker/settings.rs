//! What the shop's staff may set, in one record.

use serde::{Deserialize, Serialize};
use storage::{Fault, Read};

use crate::money::Currency;
use crate::table;
use crate::time::Timestamp;

table!(
    /// The settings: one record.
    SettingsTable, SETTINGS, () => Settings
);

/// The shop's settings. Until they are set, the default ones hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The shop's name, in mails and receipts.
    pub store_name: String,
    /// The currency of prices that name none, as in imports.
    pub currency: Currency,
    /// How long stock is held for an order that is not paid.
    pub hold_minutes: u32,
    /// How long a payment may wait for the customer (`requires_action`) before it is canceled at the provider.
    pub payment_deadline_minutes: u32,
    /// Whether an authorised payment is captured at once.
    pub automatic_capture: bool,
    /// Whether orders may be paid outside (invoice, cash on delivery): provider `manual`.
    pub manual_payments: bool,
    /// How long a cart without changes is kept.
    pub cart_days: u32,
    /// How long events are kept, unless their topic says more.
    pub event_days: u32,
    pub updated_at: Timestamp,
    /// Counts the changes; 0: never set.
    pub revision: u64,
}

storage::versioned!(Settings, 1);

impl Default for Settings {
    fn default() -> Self {
        Self {
            store_name: "Shop".into(),
            currency: Currency::EUR,
            hold_minutes: 30,
            payment_deadline_minutes: 60,
            automatic_capture: true,
            manual_payments: false,
            cart_days: 30,
            event_days: 30,
            updated_at: Timestamp::default(),
            revision: 0,
        }
    }
}

/// The settings in force.
pub fn settings(read: &impl Read) -> Result<Settings, Fault> {
    Ok(read.get::<SettingsTable>(&())?.unwrap_or_default())
}
