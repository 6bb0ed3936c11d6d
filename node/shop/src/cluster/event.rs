//! What happens to the cluster (topic `platform`).

use serde::{Deserialize, Serialize};

use crate::event::Describe;
use crate::ids::JoinTokenId;

/// Events of this slice. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    NodeJoined { node: u64 },
    NodeUpdated { node: u64 },
    NodeDraining { node: u64 },
    NodeUndrained { node: u64 },
    NodeRemoved { node: u64 },
    TokenCreated { token: JoinTokenId },
    TokenRevoked { token: JoinTokenId },
    AuthorityAdded { fingerprint: [u8; 32] },
    AuthorityRetired { fingerprint: [u8; 32] },
    AutopilotUpdated,
    ActiveVersionRaised { version: u32 },
}

impl Describe for Event {
    fn kind(&self) -> String {
        let what = match self {
            Self::NodeJoined { .. } => "node.joined",
            Self::NodeUpdated { .. } => "node.updated",
            Self::NodeDraining { .. } => "node.draining",
            Self::NodeUndrained { .. } => "node.undrained",
            Self::NodeRemoved { .. } => "node.removed",
            Self::TokenCreated { .. } => "token.created",
            Self::TokenRevoked { .. } => "token.revoked",
            Self::AuthorityAdded { .. } => "authority.added",
            Self::AuthorityRetired { .. } => "authority.retired",
            Self::AutopilotUpdated => "autopilot.updated",
            Self::ActiveVersionRaised { .. } => "cluster.upgraded",
        };
        format!("shopnode.{what}.v1")
    }

    fn topic(&self) -> &str {
        "platform"
    }

    fn key(&self) -> String {
        match self {
            Self::NodeJoined { node }
            | Self::NodeUpdated { node }
            | Self::NodeDraining { node }
            | Self::NodeUndrained { node }
            | Self::NodeRemoved { node } => node.to_string(),
            Self::TokenCreated { token } | Self::TokenRevoked { token } => token.to_string(),
            Self::AuthorityAdded { fingerprint } | Self::AuthorityRetired { fingerprint } => hex(fingerprint),
            Self::AutopilotUpdated => "autopilot".to_owned(),
            Self::ActiveVersionRaised { .. } => "active_version".to_owned(),
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::NodeJoined { node }
            | Self::NodeUpdated { node }
            | Self::NodeDraining { node }
            | Self::NodeUndrained { node }
            | Self::NodeRemoved { node } => json!({"node_id": node}),
            Self::TokenCreated { token } | Self::TokenRevoked { token } => json!({"token_id": token}),
            Self::AuthorityAdded { fingerprint } | Self::AuthorityRetired { fingerprint } => {
                json!({"fingerprint": hex(fingerprint)})
            }
            Self::AutopilotUpdated => json!({}),
            Self::ActiveVersionRaised { version } => json!({"active_version": version}),
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
