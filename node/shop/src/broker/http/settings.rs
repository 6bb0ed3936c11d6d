use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::broker::{Settings, UpdateSettings};
use crate::http::{Checks, from_value, merge_patch};
use crate::money::Currency;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// What a merge patch of the settings may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsInput {
    #[schema(min_length = 1, max_length = 100)]
    pub store_name: String,
    pub currency: Currency,
    /// How long stock is held for an order that is not paid.
    #[schema(minimum = 1, maximum = 10080)]
    pub hold_minutes: u32,
    /// How long a payment may wait for the customer before it is canceled.
    #[schema(minimum = 1, maximum = 10080)]
    pub payment_deadline_minutes: u32,
    pub automatic_capture: bool,
    /// Whether orders may be paid outside: provider `manual`.
    pub manual_payments: bool,
    #[schema(minimum = 1, maximum = 365)]
    pub cart_days: u32,
    #[schema(minimum = 1, maximum = 3650)]
    pub event_days: u32,
}

impl SettingsInput {
    fn of(settings: &Settings) -> Self {
        Self {
            store_name: settings.store_name.clone(),
            currency: settings.currency,
            hold_minutes: settings.hold_minutes,
            payment_deadline_minutes: settings.payment_deadline_minutes,
            automatic_capture: settings.automatic_capture,
            manual_payments: settings.manual_payments,
            cart_days: settings.cart_days,
            event_days: settings.event_days,
        }
    }

    /// The command that sets all of them.
    pub fn command(self, if_revision: Option<u64>) -> Result<UpdateSettings, Rejection> {
        let mut checks = Checks::new();
        checks.line("/store_name", &self.store_name, 1..=100);
        checks.length("/hold_minutes", self.hold_minutes as usize, 1..=10_080, "minutes");
        checks.length(
            "/payment_deadline_minutes",
            self.payment_deadline_minutes as usize,
            1..=10_080,
            "minutes",
        );
        checks.length("/cart_days", self.cart_days as usize, 1..=365, "days");
        checks.length("/event_days", self.event_days as usize, 1..=3_650, "days");
        checks.finish()?;
        let settings = Settings {
            store_name: self.store_name,
            currency: self.currency,
            hold_minutes: self.hold_minutes,
            payment_deadline_minutes: self.payment_deadline_minutes,
            automatic_capture: self.automatic_capture,
            manual_payments: self.manual_payments,
            cart_days: self.cart_days,
            event_days: self.event_days,
            ..Settings::default()
        };
        Ok(UpdateSettings { if_revision, settings })
    }
}

/// The command that applies a merge patch (RFC 7396) to the settings that were read.
pub fn patch_settings(current: &Settings, patch: Value) -> Result<UpdateSettings, Rejection> {
    let target = serde_json::to_value(SettingsInput::of(current)).unwrap_or(Value::Null);
    let patched: SettingsInput = from_value(merge_patch(target, patch))?;
    patched.command(Some(current.revision))
}

/// The settings as the API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    pub store_name: String,
    pub currency: Currency,
    pub hold_minutes: u32,
    pub payment_deadline_minutes: u32,
    pub automatic_capture: bool,
    pub manual_payments: bool,
    pub cart_days: u32,
    pub event_days: u32,
    pub updated_at: Timestamp,
    pub revision: u64,
}

impl From<&Settings> for SettingsView {
    fn from(settings: &Settings) -> Self {
        Self {
            store_name: settings.store_name.clone(),
            currency: settings.currency,
            hold_minutes: settings.hold_minutes,
            payment_deadline_minutes: settings.payment_deadline_minutes,
            automatic_capture: settings.automatic_capture,
            manual_payments: settings.manual_payments,
            cart_days: settings.cart_days,
            event_days: settings.event_days,
            updated_at: settings.updated_at,
            revision: settings.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::patch_settings;
    use crate::broker::Settings;

    #[test]
    fn a_patch_changes_what_it_names() {
        let before = Settings { revision: 4, ..Settings::default() };
        let command = patch_settings(&before, json!({"hold_minutes": 45, "currency": "USD"})).unwrap();
        assert_eq!((command.if_revision, command.settings.hold_minutes), (Some(4), 45));
        assert_eq!(command.settings.currency.as_str(), "USD");
        for bad in [json!({"hold_minutes": 0}), json!({"revision": 5}), json!({"store_name": null}), json!(1)]
        {
            assert!(patch_settings(&before, bad.clone()).is_err(), "{bad}");
        }
    }
}
