use serde::{Deserialize, Serialize};

use crate::ids::OrderId;
use crate::table;
use crate::tables::Present;
use crate::time::Timestamp;

pub use crate::notification::Position;

table!(
    /// One text message per event that calls for one, under the event's sequence number.
    Messages, SMS, u64 => Message
);

table!(
    /// Those with something to do, by the time of it: to be sent, or to be looked up. The worker's queue.
    MessagesDue, SMS_DUE, (Timestamp, u64) => Present
);

table!(
    /// All of them by status, oldest first.
    MessagesByStatus, SMS_BY_STATUS, (u8, u64) => Present
);

table!(
    /// Up to which event text messages have been derived.
    Cursor, SMS_CURSOR, () => Position
);

/// What a text message tells. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The fulfilment with this ordinal of the order was shipped.
    Shipped(u8),
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shipped(_) => "order_shipped",
        }
    }
}

/// A text message to be sent, or what became of it. The number is the order's and is read when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub kind: Kind,
    pub order: OrderId,
    pub created_at: Timestamp,
    /// Tries that are over.
    pub tries: u32,
    pub state: State,
}

storage::versioned!(Message, 1);

/// `pending → sending → sent | failed`; back from `sending` to `pending` by proof that the provider did not take it, and
/// from `failed` because staff say so. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// To be sent, for the first time or again.
    Pending { since: Timestamp, next_at: Timestamp },
    /// It may have been sent. `attempt` is the index of the log entry that began it: what is told of an earlier one is
    /// no news of this one.
    Sending { attempt: u64, since: Timestamp, look_up_at: Timestamp, look_ups: u32 },
    /// The provider took it.
    Sent { at: Timestamp },
    /// Given up. The reason is a code or a phrase of ours, never a number.
    Failed { at: Timestamp, reason: String },
}

impl State {
    pub fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Sending { .. } => Status::Sending,
            Self::Sent { .. } => Status::Sent,
            Self::Failed { .. } => Status::Failed,
        }
    }

    /// When there is something to do for it.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { next_at: at, .. } | Self::Sending { look_up_at: at, .. } => Some(*at),
            Self::Sent { .. } | Self::Failed { .. } => None,
        }
    }

    /// When it was over.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Sent { at } | Self::Failed { at, .. } => Some(*at),
            Self::Pending { .. } | Self::Sending { .. } => None,
        }
    }
}

/// What became of a text message, without when and why. Stored in keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(as = SmsStatus))]
pub enum Status {
    Pending,
    /// It may have been sent; what became of it is being looked up.
    Sending,
    Sent,
    Failed,
}

impl Status {
    /// Its place in keys.
    pub const fn key(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Sending => 1,
            Self::Sent => 2,
            Self::Failed => 3,
        }
    }
}
