use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{Cursor, Limit};
use crate::ids::OrderId;
use crate::rejection::Rejection;
use crate::time::Timestamp;

use super::{Notification, State, Status};

/// The query of `GET /admin/v1/notifications`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct NotificationsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Only with this status. Where an upgrade to active version 4 is not finished or its index not yet complete, a page may
    /// then be short, or empty, and still have a `next_cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl NotificationsQuery {
    /// What to ask of [`list`](crate::notification::queries::list): status, `before`, limit.
    pub fn read(&self) -> Result<(Option<Status>, Option<u64>, usize), Rejection> {
        let before = self.cursor.as_ref().map(Cursor::key).transpose()?;
        Ok((self.status, before, self.limit.unwrap_or_default().get()))
    }
}

/// A notification as the admin sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationView {
    /// The sequence number of the event that it follows from: its id.
    pub cause_seq: u64,
    /// `order_confirmed`, `order_shipped` or `order_refunded`.
    pub kind: String,
    pub order_id: OrderId,
    pub status: Status,
    pub tries: u32,
    pub created_at: Timestamp,
    /// When the next try is due, if it is `pending`; otherwise when it ended.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: Option<String>,
}

impl From<(u64, &Notification)> for NotificationView {
    fn from((seq, notification): (u64, &Notification)) -> Self {
        let (at, reason) = match &notification.state {
            State::Pending { next_at: at } | State::Sent { at } => (*at, None),
            State::Failed { at, reason } => (*at, Some(reason.clone())),
        };
        Self {
            cause_seq: seq,
            kind: notification.kind.as_str().to_owned(),
            order_id: notification.order,
            status: notification.state.status(),
            tries: notification.tries,
            created_at: notification.created_at,
            at,
            reason,
        }
    }
}
