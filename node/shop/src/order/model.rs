//! An order: one record with its lines, its money and its history.

use serde::{Deserialize, Serialize};

use crate::catalog::Sku;
use crate::ids::{CartId, ClientId, CustomerId, OrderId, PaymentId, ProductId, VariantId};
use crate::inventory::Allocation;
use crate::money::{Currency, Money};
use crate::order::Totals;
use crate::payment::{Attempt, Refund, RefundState, State};
use crate::private::Private;
use crate::table;
use crate::tables::Present;
use crate::time::Timestamp;
use crate::user::Address;

/// The most lines of an order.
pub const MAX_LINES: usize = 100;
/// The most units of a line.
pub const MAX_QUANTITY: u32 = 10_000;
/// The most fulfilments of an order.
pub const MAX_FULFILMENTS: usize = 100;
/// The most steps that an order's history keeps: its placing and the last ones.
pub const MAX_HISTORY: usize = 500;

table!(
    /// Orders.
    Orders, ORDERS, OrderId => Order
);

table!(
    /// Orders by status, oldest first: the lists of the admin API, and the queue of those that are pending payment.
    OrdersByStatus, ORDERS_BY_STATUS, (u8, OrderId) => Present
);

table!(
    /// Orders by the client that placed them and the customer they are for. Guests' orders for nobody are not in it.
    OrdersByCustomer, ORDERS_BY_CUSTOMER, (Option<ClientId>, Option<CustomerId>, OrderId) => Present
);

/// Where an order stands. Append-only: its position is part of keys.
///
/// `pending_payment → open → completed`, `pending_payment → expired | canceled`, `open → canceled` while nothing has
/// shipped; money for an order that is over brings it back to `open` if its stock can still be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(as = OrderStatus))]
pub enum Status {
    PendingPayment,
    Open,
    Completed,
    Canceled,
    Expired,
}

impl Status {
    pub const ALL: [Self; 5] =
        [Self::PendingPayment, Self::Open, Self::Completed, Self::Canceled, Self::Expired];

    /// Its place in keys.
    pub const fn key(self) -> u8 {
        match self {
            Self::PendingPayment => 0,
            Self::Open => 1,
            Self::Completed => 2,
            Self::Canceled => 3,
            Self::Expired => 4,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingPayment => "pending_payment",
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

/// What the order's payments add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum PaymentStatus {
    None,
    Processing,
    Authorized,
    PartiallyPaid,
    Paid,
    PartiallyRefunded,
    Refunded,
    Disputed,
}

/// What the order's fulfilments add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum FulfilmentStatus {
    Unfulfilled,
    Partial,
    Fulfilled,
    Delivered,
}

/// What the order's returns add up to. There are none yet, so that it is always `none`; `requested`, `approved`,
/// `received`, `closed` and `rejected` come with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum ReturnStatus {
    #[default]
    None,
}

/// The claim of an order on stock. Append-only.
///
/// `active → committed | released | expired`. An active hold is *pinned* while a payment is in flight
/// ([`Order::is_pinned`]): then it does not run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    Active { expires_at: Timestamp },
    Committed,
    Released,
    Expired,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// For people: gapless, in the order of placing.
    pub number: u64,
    pub status: Status,
    /// Counts the changes from 1.
    pub revision: u64,
    /// The client that placed it; `None`: a guest.
    pub owner: Option<ClientId>,
    pub customer: Option<CustomerId>,
    pub cart: Option<CartId>,
    pub currency: Currency,
    pub lines: Vec<Line>,
    pub totals: Totals,
    pub hold: Hold,
    /// Somebody wanted it canceled when a payment was under way: whatever comes of that is undone.
    pub cancel_wanted: bool,
    pub attempts: Vec<Attempt>,
    pub refunds: Vec<Refund>,
    pub fulfilments: Vec<Fulfilment>,
    /// Batches of the feed with something about it, by their first sequence number: the placing and the last ones.
    pub history: Vec<u64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// All that is personal: `None` once erased, and in answers that are kept.
    pub personal: Option<Private<Personal>>,
}

storage::versioned!(Order, 1);

/// Who it is for and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    pub email: String,
    pub shipping_address: Option<Address>,
    pub billing_address: Option<Address>,
}

/// A line, as it was when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub sku: Sku,
    pub product: ProductId,
    pub variant: VariantId,
    pub title: String,
    /// The variant's option values; empty if it has none.
    pub options: String,
    pub quantity: u32,
    /// Minor units of the order's currency, like all amounts of a line.
    pub unit_price: i64,
    pub subtotal: i64,
    pub discount: i64,
    pub tax: i64,
    pub total: i64,
    /// Where its stock is claimed; empty once released.
    pub allocations: Vec<Allocation>,
}

impl Line {
    /// Units that have left.
    pub fn shipped(&self) -> u32 {
        self.allocations.iter().map(|allocation| allocation.shipped).sum()
    }
}

/// A shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fulfilment {
    /// Position of a line in the order, and units of it.
    pub lines: Vec<(u8, u32)>,
    pub tracking: Option<Tracking>,
    pub shipped_at: Timestamp,
    pub delivered_at: Option<Timestamp>,
}

/// How to follow a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Tracking {
    /// 1 to 64 characters.
    #[cfg_attr(feature = "http", schema(min_length = 1, max_length = 64, example = "DHL"))]
    pub carrier: String,
    /// 1 to 128 characters.
    #[cfg_attr(feature = "http", schema(min_length = 1, max_length = 128, example = "00340434161094015902"))]
    pub number: String,
    #[cfg_attr(feature = "http", schema(max_length = 512))]
    pub url: Option<String>,
}

impl Order {
    pub fn total(&self) -> Money {
        Money::new(self.totals.total, self.currency)
    }

    /// Minor units that were taken.
    pub fn captured(&self) -> i64 {
        self.attempts.iter().map(|attempt| attempt.captured).sum()
    }

    /// Minor units that were or will be given back.
    pub fn refunding(&self) -> i64 {
        let counted = self.refunds.iter().filter(|refund| refund.state != RefundState::Failed);
        counted.map(|refund| refund.amount).sum()
    }

    /// The attempt that is not final: there is at most one.
    pub fn open_attempt(&self) -> Option<(PaymentOrdinal, &Attempt)> {
        self.attempts.iter().enumerate().find(|(_, attempt)| !attempt.state.is_final())
    }

    /// Whether a payment is in flight, so that the hold does not run out.
    pub fn is_pinned(&self) -> bool {
        self.open_attempt().is_some_and(|(_, attempt)| attempt.state != State::Created)
    }

    pub fn all_shipped(&self) -> bool {
        self.lines.iter().all(|line| line.shipped() == line.quantity)
    }

    pub fn any_shipped(&self) -> bool {
        self.lines.iter().any(|line| line.shipped() > 0)
    }
}

/// The position of an attempt in its order, from 0: its [`PaymentId`]'s ordinal less one.
pub type PaymentOrdinal = usize;

/// The id of the attempt at a position.
pub fn payment_id(order: OrderId, position: PaymentOrdinal) -> PaymentId {
    PaymentId::of(order, u8::try_from(position + 1).unwrap_or(u8::MAX))
}
