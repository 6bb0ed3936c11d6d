use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::codes::Code;
use crate::http::Checks;
use crate::ids::PaymentId;
use crate::money::Money;
use crate::payment::{CaptureMode, Choice, Provider, RequestCapture, RequestRefund};
use crate::rejection::Rejection;

/// Which card processors this node's configuration has. Whether payments by hand are taken is a setting of the shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Providers {
    pub sandbox: bool,
    pub stripe: bool,
}

/// How to pay: a member of `POST /store/v1/orders`, the body of `POST /store/v1/orders/{id}/payment-attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentInput {
    pub provider: Provider,
    /// The provider's id of a payment method. Sandbox: `card_ok`, `card_declined`, `card_3ds`, `card_slow` or
    /// `card_drop_response`. Not for `manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, example = "card_ok")]
    pub method: Option<String>,
    /// As the shop's settings say if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureMode>,
}

impl PaymentInput {
    /// What it asks for. `pointer`: where it is in the body, empty if it is the body.
    pub fn choice(self, pointer: &str, enabled: Providers) -> Result<Choice, Rejection> {
        let on = match self.provider {
            Provider::Sandbox => enabled.sandbox,
            Provider::Stripe => enabled.stripe,
            Provider::Manual => true,
        };
        if !on {
            let detail = "this provider is not configured here";
            return Err(Rejection::at(Code::ProviderNotEnabled, format!("{pointer}/provider"), detail));
        }
        let mut checks = Checks::new();
        let at = format!("{pointer}/method");
        match (&self.method, self.provider) {
            (Some(_), Provider::Manual) => checks.fail(at, "a payment by hand has no method"),
            (Some(method), _) => checks.line(&at, method, 1..=255),
            (None, Provider::Manual) => {}
            (None, _) => checks.fail(at, "name the payment method"),
        }
        checks.finish()?;
        let method = self.method.unwrap_or_default();
        Ok(Choice { provider: self.provider, method, capture: self.capture })
    }
}

/// The body of `POST /admin/v1/payments/{id}/capture`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureInput {
    /// All that is authorised if it is left out; the rest is let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

impl CaptureInput {
    /// `order_currency`: that of the payment's order.
    pub fn command(
        self,
        payment: PaymentId,
        order_currency: crate::Currency,
    ) -> Result<RequestCapture, Rejection> {
        Ok(RequestCapture { payment, amount: minor(self.amount, order_currency)? })
    }
}

/// The body of `POST /admin/v1/payments/{id}/refunds`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundInput {
    /// All that can be refunded if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

impl RefundInput {
    /// `order_currency`: that of the payment's order.
    pub fn command(
        self,
        payment: PaymentId,
        order_currency: crate::Currency,
    ) -> Result<RequestRefund, Rejection> {
        Ok(RequestRefund { payment, amount: minor(self.amount, order_currency)? })
    }
}

fn minor(amount: Option<Money>, currency: crate::Currency) -> Result<Option<i64>, Rejection> {
    let Some(amount) = amount else {
        return Ok(None);
    };
    let mut checks = Checks::new();
    checks.money("/amount", amount);
    if amount.currency != currency {
        checks.fail("/amount/currency", format!("the order is in {currency}"));
    }
    checks.finish()?;
    Ok(Some(amount.amount))
}

#[cfg(test)]
mod tests {
    use super::{PaymentInput, Providers, RefundInput};
    use crate::ids::PaymentId;
    use crate::money::{Currency, Money};

    #[test]
    fn how_to_pay_is_checked() {
        let check = |json: &str, expect: Result<(), &str>| {
            let input: PaymentInput = serde_json::from_str(json).unwrap();
            let found = input.choice("/payment", Providers { sandbox: true, stripe: false });
            let found = found
                .map(|_| ())
                .map_err(|rejection| format!("{} {}", rejection.code, rejection.errors[0].pointer));
            assert_eq!(found, expect.map_err(str::to_owned), "{json}");
        };
        check(r#"{"provider": "sandbox", "method": "card_ok"}"#, Ok(()));
        check(r#"{"provider": "manual"}"#, Ok(()));
        check(r#"{"provider": "sandbox"}"#, Err("invalid_value /payment/method"));
        check(r#"{"provider": "sandbox", "method": "a\nb"}"#, Err("invalid_value /payment/method"));
        check(r#"{"provider": "manual", "method": "x"}"#, Err("invalid_value /payment/method"));
        check(r#"{"provider": "stripe", "method": "x"}"#, Err("provider_not_enabled /payment/provider"));
    }

    #[test]
    fn a_refund_is_in_the_order_s_currency() {
        let refund = |amount, currency: &str| {
            let amount = Some(Money::new(amount, currency.parse().unwrap()));
            RefundInput { amount }.command(PaymentId([0; 16]), Currency::EUR)
        };
        assert_eq!(refund(5, "EUR").unwrap().amount, Some(5));
        assert!(refund(5, "USD").is_err() && refund(-5, "EUR").is_err());
    }
}
