use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::Sku;
use crate::ids::{CartId, ClientId, CustomerId, FulfilmentId, OrderId, ProductId, VariantId};
use crate::money::{Currency, Money};
use crate::order::{
    Fulfilment, FulfilmentStatus, Hold, Line, Order, PaymentStatus, ReturnStatus, Status, Tracking,
};
use crate::payment::http::{AttemptView, RefundView};
use crate::private::Private;
use crate::time::Timestamp;
use crate::user::Address;

/// An order. `email` and the addresses are null once erased, and in the answers to commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    pub id: OrderId,
    /// For people: gapless, in the order of placing.
    #[schema(example = 1001)]
    pub number: u64,
    pub status: Status,
    pub payment_status: PaymentStatus,
    pub fulfilment_status: FulfilmentStatus,
    /// Nodes from before there was one do not tell it.
    #[serde(default)]
    #[schema(required = true)]
    pub return_status: ReturnStatus,
    /// It is canceled as soon as the payment that is under way has ended.
    pub cancel_requested: bool,
    pub currency: Currency,
    pub lines: Vec<LineView>,
    pub subtotal: Money,
    pub discount: Money,
    pub tax: Money,
    pub shipping: Money,
    pub total: Money,
    /// The latest attempt to pay it.
    pub payment_attempt: Option<AttemptView>,
    pub payment_attempts: Vec<AttemptView>,
    pub refunds: Vec<RefundView>,
    pub fulfilments: Vec<FulfilmentView>,
    /// Until when its stock is held for it, while it is not paid and no payment is under way.
    pub held_until: Option<Timestamp>,
    pub client_id: Option<ClientId>,
    pub customer_id: Option<CustomerId>,
    pub cart_id: Option<CartId>,
    #[schema(value_type = Option<String>)]
    pub email: Option<Private<String>>,
    #[schema(value_type = Option<Address>)]
    pub shipping_address: Option<Private<Address>>,
    #[schema(value_type = Option<Address>)]
    pub billing_address: Option<Private<Address>>,
    /// Only in the answer to a guest's placing: send it to read the order and to pay it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub order_token: Option<Private<String>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}

impl OrderView {
    /// The view of an order, without a token.
    pub fn of(id: OrderId, order: &Order) -> Self {
        let money = |amount| Money::new(amount, order.currency);
        let attempts = AttemptView::all(id, order);
        let personal = order.personal.as_ref().map(Private::reveal);
        let address = |address: Option<&Option<Address>>| address.cloned().flatten().map(Private);
        Self {
            id,
            number: order.number,
            status: order.status,
            payment_status: order.payment_status(),
            fulfilment_status: order.fulfilment_status(),
            return_status: order.return_status(),
            cancel_requested: order.cancel_wanted && order.status != Status::Canceled,
            currency: order.currency,
            lines: order.lines.iter().enumerate().map(|(at, line)| LineView::of(at, line, order)).collect(),
            subtotal: money(order.totals.subtotal),
            discount: money(order.totals.discount),
            tax: money(order.totals.tax),
            shipping: money(order.totals.shipping),
            total: order.total(),
            payment_attempt: attempts.last().cloned(),
            payment_attempts: attempts,
            refunds: RefundView::all(id, order),
            fulfilments: FulfilmentView::all(id, order),
            held_until: match order.hold {
                Hold::Active { expires_at } if !order.is_pinned() => Some(expires_at),
                Hold::Active { .. } | Hold::Committed | Hold::Released | Hold::Expired => None,
            },
            client_id: order.owner,
            customer_id: order.customer,
            cart_id: order.cart,
            email: personal.map(|personal| Private(personal.email.clone())),
            shipping_address: address(personal.map(|personal| &personal.shipping_address)),
            billing_address: address(personal.map(|personal| &personal.billing_address)),
            order_token: None,
            created_at: order.created_at,
            updated_at: order.updated_at,
            revision: order.revision,
        }
    }
}

/// A line of an order, as it was when it was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// Its position in the order, from 0.
    pub line: u8,
    pub sku: Sku,
    pub product_id: ProductId,
    pub variant_id: VariantId,
    pub title: String,
    /// The variant's option values; null if it has none.
    pub options: Option<String>,
    pub quantity: u32,
    /// Units that have left.
    pub shipped: u32,
    pub unit_price: Money,
    pub subtotal: Money,
    pub discount: Money,
    pub tax: Money,
    pub total: Money,
}

impl LineView {
    fn of(position: usize, line: &Line, order: &Order) -> Self {
        let money = |amount| Money::new(amount, order.currency);
        Self {
            line: u8::try_from(position).unwrap_or(u8::MAX),
            sku: line.sku.clone(),
            product_id: line.product,
            variant_id: line.variant,
            title: line.title.clone(),
            options: (!line.options.is_empty()).then(|| line.options.clone()),
            quantity: line.quantity,
            shipped: line.shipped(),
            unit_price: money(line.unit_price),
            subtotal: money(line.subtotal),
            discount: money(line.discount),
            tax: money(line.tax),
            total: money(line.total),
        }
    }
}

/// A shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FulfilmentView {
    pub id: FulfilmentId,
    pub lines: Vec<FulfilmentLineView>,
    pub tracking: Option<Tracking>,
    pub shipped_at: Timestamp,
    pub delivered_at: Option<Timestamp>,
}

/// Units of a line in a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FulfilmentLineView {
    /// The line's position in the order, from 0.
    pub line: u8,
    pub sku: Sku,
    pub quantity: u32,
}

impl FulfilmentView {
    fn all(id: OrderId, order: &Order) -> Vec<Self> {
        let ordinals = (1..=u8::MAX).zip(&order.fulfilments);
        ordinals.map(|(ordinal, found)| Self::of(FulfilmentId::of(id, ordinal), found, order)).collect()
    }

    fn of(id: FulfilmentId, fulfilment: &Fulfilment, order: &Order) -> Self {
        let lines = fulfilment.lines.iter().filter_map(|(line, quantity)| {
            let sku = order.lines.get(usize::from(*line))?.sku.clone();
            Some(FulfilmentLineView { line: *line, sku, quantity: *quantity })
        });
        Self {
            id,
            lines: lines.collect(),
            tracking: fulfilment.tracking.clone(),
            shipped_at: fulfilment.shipped_at,
            delivered_at: fulfilment.delivered_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::OrderView;
    use crate::order::ReturnStatus;
    use crate::order::testing::{Desk, lines};

    #[test]
    fn an_order_has_four_statuses() {
        let mut desk = Desk::new();
        let id = desk.place(lines(&[("TEA-1", 1)]));
        let mut body = serde_json::to_value(OrderView::of(id, &desk.order(id))).unwrap();
        let statuses = ["status", "payment_status", "fulfilment_status", "return_status"];
        let said = statuses.map(|name| body[name].clone());
        assert_eq!(said, ["pending_payment", "processing", "unfulfilled", "none"].map(|word| json!(word)));
        body.as_object_mut().unwrap().remove("return_status");
        let of_an_older_node: OrderView = serde_json::from_value(body).unwrap();
        assert_eq!(of_an_older_node.return_status, ReturnStatus::None);
    }
}
