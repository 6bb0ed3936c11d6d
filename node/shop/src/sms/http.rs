use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{Cursor, Limit};
use crate::ids::OrderId;
use crate::rejection::Rejection;
use crate::time::Timestamp;

use super::{Message, State, Status};

/// The query of `GET /admin/v1/sms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SmsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Only with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl SmsQuery {
    /// What to ask of [`list`](crate::sms::queries::list): status, `before`, limit.
    pub fn read(&self) -> Result<(Option<Status>, Option<u64>, usize), Rejection> {
        let before = self.cursor.as_ref().map(Cursor::key).transpose()?;
        Ok((self.status, before, self.limit.unwrap_or_default().get()))
    }
}

/// A text message as the admin sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SmsView {
    /// The sequence number of the event that it follows from: its id.
    pub cause_seq: u64,
    /// `order_shipped`.
    pub kind: String,
    pub order_id: OrderId,
    pub status: Status,
    pub tries: u32,
    pub created_at: Timestamp,
    /// When the next try is due, if it is `pending`; when it is looked up next, if it is `sending`; otherwise when it
    /// ended.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: Option<String>,
}

impl From<(u64, &Message)> for SmsView {
    fn from((seq, message): (u64, &Message)) -> Self {
        let (at, reason) = match &message.state {
            State::Pending { next_at: at, .. }
            | State::Sending { look_up_at: at, .. }
            | State::Sent { at } => (*at, None),
            State::Failed { at, reason } => (*at, Some(reason.clone())),
        };
        Self {
            cause_seq: seq,
            kind: message.kind.as_str().to_owned(),
            order_id: message.order,
            status: message.state.status(),
            tries: message.tries,
            created_at: message.created_at,
            at,
            reason,
        }
    }
}
