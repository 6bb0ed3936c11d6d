use serde::{Deserialize, Serialize};

use crate::event::Describe;
use crate::ids::OrderId;

use super::Kind;

/// Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Sent {
        order: OrderId,
        kind: Kind,
        seq: u64,
    },
    Failed {
        order: OrderId,
        kind: Kind,
        seq: u64,
        reason: String,
    },
    /// It has failed and is due again.
    Retried {
        order: OrderId,
        kind: Kind,
        seq: u64,
    },
}

impl Describe for Event {
    fn kind(&self) -> String {
        let verb = match self {
            Self::Sent { .. } => "sent",
            Self::Failed { .. } => "failed",
            Self::Retried { .. } => "retried",
        };
        format!("shopnode.sms.{verb}.v1")
    }

    fn topic(&self) -> &str {
        "notifications"
    }

    fn key(&self) -> String {
        match self {
            Self::Sent { order, .. } | Self::Failed { order, .. } | Self::Retried { order, .. } => {
                order.to_string()
            }
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        match self {
            Self::Sent { order, kind, seq } | Self::Retried { order, kind, seq } => {
                serde_json::json!({"order_id": order, "kind": kind.as_str(), "cause_seq": seq})
            }
            Self::Failed { order, kind, seq, reason } => {
                serde_json::json!({"order_id": order, "kind": kind.as_str(), "cause_seq": seq, "reason": reason})
            }
        }
    }
}
