use serde::{Deserialize, Serialize};

use crate::ids::OrderId;
use crate::table;
use crate::tables::Present;
use crate::time::Timestamp;

table!(
    /// One notification per event that calls for one, under the event's sequence number.
    Notifications, NOTIFICATIONS, u64 => Notification
);

table!(
    /// Those still to be sent, by the time of the next try: the worker's queue.
    NotificationsDue, NOTIFICATIONS_DUE, (Timestamp, u64) => Present
);

table!(
    /// Up to which event notifications have been derived.
    Cursor, NOTIFICATION_CURSOR, () => Position
);

table!(
    /// Notifications by status, oldest first: kept from level 4 on. Each is in it once. `pending` has entries as well, for
    /// [`NotificationsDue`] has another order, and is long when the mail server is down.
    NotificationsByStatus, NOTIFICATIONS_BY_STATUS, (u8, u64) => Present
);

table!(
    /// How much of that index there is. None: it was not begun.
    StatusesIndexed, NOTIFICATION_STATUSES_INDEXED, () => IndexProgress
);

/// How far an index that came later than its records has come. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexProgress {
    /// Notifications up to this one are in it, and those that were made since the index is kept.
    UpTo(u64),
    /// All are.
    Complete,
}

storage::versioned!(IndexProgress, 1);

/// The last event that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub u64);

storage::versioned!(Position, 1);

/// What a notification tells. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The order is confirmed.
    Confirmed,
    /// The fulfilment with this ordinal of the order was shipped.
    Shipped(u8),
    /// The refund with this ordinal of the order succeeded.
    Refunded(u8),
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "order_confirmed",
            Self::Shipped(_) => "order_shipped",
            Self::Refunded(_) => "order_refunded",
        }
    }
}

/// A mail to be sent, or what became of it. The address is the order's and is read when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub kind: Kind,
    pub order: OrderId,
    pub created_at: Timestamp,
    /// Tries that are over.
    pub tries: u32,
    pub state: State,
}

storage::versioned!(Notification, 1);

/// Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending {
        next_at: Timestamp,
    },
    Sent {
        at: Timestamp,
    },
    /// Given up: refused for good, or tried too often. The reason is an SMTP status or a word, never an address.
    Failed {
        at: Timestamp,
        reason: String,
    },
}

impl State {
    pub fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Sent { .. } => Status::Sent,
            Self::Failed { .. } => Status::Failed,
        }
    }
}

/// What became of a mail, without when and why. Stored in keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(as = NotificationStatus))]
pub enum Status {
    Pending,
    Sent,
    Failed,
}

impl Status {
    /// Its place in keys.
    pub const fn key(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Sent => 1,
            Self::Failed => 2,
        }
    }
}
