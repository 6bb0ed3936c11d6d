use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::Sku;
use crate::codes::Code;
use crate::http::{Checks, item};
use crate::ids::{CartId, ClientId, CustomerId};
use crate::money::{Currency, Money};
use crate::order::{LineRequest, MAX_LINES, MAX_QUANTITY, Personal, PlaceOrder, Wanted};
use crate::payment::http::{PaymentInput, Providers};
use crate::private::Private;
use crate::rejection::Rejection;
use crate::user::http::check_address;
use crate::user::{Address, normalize_email};

/// What the node knows of a placing, besides its body.
#[derive(Debug, Clone, Copy)]
pub struct Placing {
    /// The client that asks; `None`: a guest, or staff.
    pub owner: Option<ClientId>,
    /// A guest can show no right to anybody's customer, not even to one that a guest has made.
    pub is_guest: bool,
    pub providers: Providers,
}

/// Units of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineInput {
    pub sku: Sku,
    #[schema(minimum = 1, maximum = 10000, example = 2)]
    pub quantity: u32,
}

impl LineInput {
    /// Lines within their bounds.
    pub fn all(checks: &mut Checks, pointer: &str, lines: Vec<Self>, least: usize) -> Vec<LineRequest> {
        checks.length(pointer, lines.len(), least..=MAX_LINES, "lines");
        for (position, line) in lines.iter().enumerate().take(MAX_LINES) {
            line.check(checks, &item(pointer, position));
        }
        lines.into_iter().map(Self::request).collect()
    }

    pub(crate) fn check(&self, checks: &mut Checks, pointer: &str) {
        if !(1..=MAX_QUANTITY).contains(&self.quantity) {
            checks.fail(format!("{pointer}/quantity"), format!("1 to {MAX_QUANTITY} units are allowed"));
        }
    }

    pub(crate) fn request(self) -> LineRequest {
        LineRequest { sku: self.sku, quantity: self.quantity }
    }
}

/// The body of `POST /store/v1/orders`: an order in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrderInput {
    pub currency: Currency,
    #[schema(min_items = 1, max_items = 100)]
    pub lines: Vec<LineInput>,
    #[schema(value_type = String, format = "email", max_length = 254, example = "ada@example.com")]
    pub email: Private<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Address>)]
    pub shipping_address: Option<Private<Address>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Address>)]
    pub billing_address: Option<Private<Address>>,
    /// One of the client's own customers. Guests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Refused with `total_changed` if it costs something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// Without one, the order waits for `POST /store/v1/orders/{id}/payment-attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentInput>,
}

impl PlaceOrderInput {
    /// The command that places it.
    pub fn command(self, placing: Placing) -> Result<PlaceOrder, Rejection> {
        let mut checks = Checks::new();
        let lines = LineInput::all(&mut checks, "/lines", self.lines, 1);
        let wanted = Wanted::Lines { currency: self.currency, lines };
        let buyer = Buyer {
            email: self.email,
            shipping_address: self.shipping_address,
            billing_address: self.billing_address,
            customer_id: self.customer_id,
            expected_total: self.expected_total,
            payment: self.payment,
        };
        buyer.command(checks, wanted, placing)
    }
}

/// The body of `POST /store/v1/carts/{id}/place`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceCartInput {
    #[schema(value_type = String, format = "email", max_length = 254, example = "ada@example.com")]
    pub email: Private<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Address>)]
    pub shipping_address: Option<Private<Address>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Address>)]
    pub billing_address: Option<Private<Address>>,
    /// One of the client's own customers. Guests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Refused with `total_changed` if it costs something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// Without one, the order waits for `POST /store/v1/orders/{id}/payment-attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentInput>,
}

impl PlaceCartInput {
    /// The command that places the cart. `revision`: that of `If-Match`, if it was sent.
    pub fn command(
        self,
        cart: CartId,
        revision: Option<u64>,
        placing: Placing,
    ) -> Result<PlaceOrder, Rejection> {
        let buyer = Buyer {
            email: self.email,
            shipping_address: self.shipping_address,
            billing_address: self.billing_address,
            customer_id: self.customer_id,
            expected_total: self.expected_total,
            payment: self.payment,
        };
        buyer.command(Checks::new(), Wanted::Cart { cart, revision }, placing)
    }
}

/// What both ways of placing share.
struct Buyer {
    email: Private<String>,
    shipping_address: Option<Private<Address>>,
    billing_address: Option<Private<Address>>,
    customer_id: Option<CustomerId>,
    expected_total: Option<Money>,
    payment: Option<PaymentInput>,
}

impl Buyer {
    fn command(self, mut checks: Checks, wanted: Wanted, placing: Placing) -> Result<PlaceOrder, Rejection> {
        let email = normalize_email(self.email.reveal());
        if let Err(error) = &email {
            checks.fail("/email", error.to_string());
        }
        let addresses =
            [("/shipping_address", &self.shipping_address), ("/billing_address", &self.billing_address)];
        for (pointer, address) in addresses {
            if let Some(address) = address {
                check_address(&mut checks, pointer, address.reveal());
            }
        }
        if let Some(total) = self.expected_total {
            checks.money("/expected_total", total);
        }
        checks.finish()?;
        if let Some(id) = self.customer_id.filter(|_| placing.is_guest) {
            return Err(Rejection::at(Code::NotFound, "/customer_id", format!("there is no customer {id}")));
        }
        let payment =
            self.payment.map(|payment| payment.choice("/payment", placing.providers)).transpose()?;
        Ok(PlaceOrder {
            wanted,
            owner: placing.owner,
            customer: self.customer_id,
            personal: Private(Personal {
                email: email.unwrap_or_default(),
                shipping_address: self.shipping_address.map(Private::into_inner),
                billing_address: self.billing_address.map(Private::into_inner),
            }),
            expected_total: self.expected_total,
            payment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{PlaceOrderInput, Placing};
    use crate::http::from_value;
    use crate::payment::http::Providers;

    fn pointers(body: serde_json::Value) -> Vec<String> {
        let placing =
            Placing { owner: None, is_guest: true, providers: Providers { sandbox: true, stripe: false } };
        let command = from_value::<PlaceOrderInput>(body).and_then(|input| input.command(placing));
        command.err().map_or_else(Vec::new, |rejection| {
            rejection.errors.into_iter().map(|error| error.pointer).collect()
        })
    }

    fn body() -> serde_json::Value {
        serde_json::json!({
            "currency": "EUR", "email": "ada@example.com", "lines": [{"sku": "TEA-1", "quantity": 2}],
            "shipping_address": {"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115",
                                 "country": "DE"},
            "expected_total": {"amount": 1998, "currency": "EUR"},
            "payment": {"provider": "sandbox", "method": "card_ok"},
        })
    }

    #[test]
    fn the_documented_body_is_taken() {
        assert_eq!(pointers(body()), Vec::<String>::new());
    }

    #[test]
    fn each_trouble_has_its_place() {
        let check = |pointer: &str, value: serde_json::Value, expect: &str| {
            let mut body = body();
            *body.pointer_mut(pointer).unwrap() = value;
            assert_eq!(pointers(body), [expect], "{pointer}");
        };
        check("/lines/0/quantity", 0.into(), "/lines/0/quantity");
        check("/lines/0/quantity", 10_001.into(), "/lines/0/quantity");
        check("/lines/0/quantity", (-1).into(), "/lines/0/quantity");
        check("/lines/0/sku", "".into(), "/lines/0/sku");
        check("/lines", serde_json::json!([]), "/lines");
        check("/currency", "XXX".into(), "/currency");
        check("/email", "ada".into(), "/email");
        check("/expected_total/amount", (-1).into(), "/expected_total/amount");
        check("/shipping_address/country", "Germany".into(), "/shipping_address/country");
        check("/payment/method", "".into(), "/payment/method");
    }
}
