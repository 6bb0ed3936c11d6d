use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::OrderId;
use crate::time::Timestamp;

use super::{Notification, State};

/// A notification as the admin sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NotificationView {
    /// The sequence number of the event that it follows from.
    pub cause_seq: u64,
    /// `order_confirmed`, `order_shipped` or `order_refunded`.
    pub kind: String,
    pub order_id: OrderId,
    /// `pending`, `sent` or `failed`.
    pub status: String,
    pub tries: u32,
    pub created_at: Timestamp,
    /// When the next try is due, if it is pending; otherwise when it ended.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: Option<String>,
}

impl From<(u64, &Notification)> for NotificationView {
    fn from((seq, notification): (u64, &Notification)) -> Self {
        let (status, at, reason) = match &notification.state {
            State::Pending { next_at } => ("pending", *next_at, None),
            State::Sent { at } => ("sent", *at, None),
            State::Failed { at, reason } => ("failed", *at, Some(reason.clone())),
        };
        Self {
            cause_seq: seq,
            kind: notification.kind.as_str().to_owned(),
            order_id: notification.order,
            status: status.to_owned(),
            tries: notification.tries,
            created_at: notification.created_at,
            at,
            reason,
        }
    }
}
