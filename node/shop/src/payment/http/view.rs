use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{OrderId, PaymentId, RefundId, UnmatchedId};
use crate::money::Money;
use crate::order::{Order, payment_id};
use crate::payment::{
    CaptureMode, Mismatch, NextAction, Provider, RefundCause, RefundState, State, Unmatched,
};
use crate::private::Private;
use crate::time::Timestamp;

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    pub id: PaymentId,
    pub order_id: OrderId,
    pub provider: Provider,
    pub method: Option<String>,
    pub capture: CaptureMode,
    pub status: State,
    /// What the customer must do, while the status is `requires_action`.
    pub next_action: Option<NextActionView>,
    /// Until when.
    pub act_until: Option<Timestamp>,
    pub amount: Money,
    pub authorized: Money,
    pub captured: Money,
    /// What is being given back or was.
    pub refunded: Money,
    /// The provider's code of what went wrong last.
    pub failure: Option<String>,
    /// The provider's id of it.
    pub provider_object: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What the customer must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NextActionView {
    /// Open this page.
    Redirect {
        #[schema(value_type = String)]
        url: Private<String>,
    },
    /// Go on with the provider's own library.
    ProviderLibrary,
}

impl From<&NextAction> for NextActionView {
    fn from(action: &NextAction) -> Self {
        match action {
            NextAction::Redirect { url } => Self::Redirect { url: url.clone() },
            NextAction::ProviderLibrary => Self::ProviderLibrary,
        }
    }
}

impl AttemptView {
    /// The view of an order's attempt, if it has it.
    pub fn of(id: PaymentId, order: &Order) -> Option<Self> {
        let attempt = crate::payment::queries::attempt(order, id)?;
        let money = |amount| Money::new(amount, order.currency);
        let refunds = order.refunds.iter();
        let refunded = refunds
            .filter(|refund| refund.payment == id && refund.state != RefundState::Failed)
            .map(|refund| refund.amount)
            .sum();
        Some(Self {
            id,
            order_id: id.order(),
            provider: attempt.provider,
            method: (!attempt.method.is_empty()).then(|| attempt.method.clone()),
            capture: attempt.capture,
            status: attempt.state,
            next_action: attempt.next_action.as_ref().map(NextActionView::from),
            act_until: attempt.next_action.as_ref().and(attempt.act_until),
            amount: money(attempt.amount),
            authorized: money(attempt.authorized),
            captured: money(attempt.captured),
            refunded: money(refunded),
            failure: attempt.failure.clone(),
            provider_object: attempt.object.clone(),
            created_at: attempt.created_at,
            updated_at: attempt.updated_at,
        })
    }

    /// All attempts of an order, oldest first.
    pub fn all(id: OrderId, order: &Order) -> Vec<Self> {
        (0..order.attempts.len()).filter_map(|position| Self::of(payment_id(id, position), order)).collect()
    }
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundView {
    pub id: RefundId,
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub reason: RefundCause,
    pub status: RefundState,
    pub failure: Option<String>,
    pub provider_object: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl RefundView {
    /// The view of an order's refund, if it has it.
    pub fn of(id: RefundId, order: &Order) -> Option<Self> {
        let refund = crate::payment::queries::refund(order, id)?;
        Some(Self {
            id,
            order_id: id.order(),
            payment_id: refund.payment,
            amount: Money::new(refund.amount, order.currency),
            reason: refund.cause,
            status: refund.state,
            failure: refund.failure.clone(),
            provider_object: refund.object.clone(),
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        })
    }

    /// All refunds of an order, oldest first.
    pub fn all(id: OrderId, order: &Order) -> Vec<Self> {
        let ids = (1..=order.refunds.len()).filter_map(|ordinal| u8::try_from(ordinal).ok());
        ids.filter_map(|ordinal| Self::of(RefundId::of(id, ordinal), order)).collect()
    }
}

/// A provider's object that no order claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnmatchedView {
    pub id: UnmatchedId,
    pub provider: Provider,
    pub provider_object: String,
    pub why: Mismatch,
    /// What it claims to belong to.
    pub payment_id: Option<PaymentId>,
    /// What the provider said of it last.
    pub status: String,
    pub amount: Money,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub seen: u32,
}

impl UnmatchedView {
    pub fn of(id: UnmatchedId, unmatched: &Unmatched) -> Self {
        Self {
            id,
            provider: unmatched.provider,
            provider_object: unmatched.object.clone(),
            why: unmatched.why,
            payment_id: unmatched.payment,
            status: unmatched.status.clone(),
            amount: unmatched.amount,
            first_seen_at: unmatched.first_seen_at,
            last_seen_at: unmatched.last_seen_at,
            seen: unmatched.seen,
        }
    }
}
