//! What happens to customers (topic `customers`) and API clients (topic `platform`). Ids only, nothing personal.

use serde::{Deserialize, Serialize};

use crate::event::Describe;
use crate::ids::{ApiKeyId, ClientId, CustomerId};

/// Events of this slice. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    CustomerCreated { customer: CustomerId },
    CustomerUpdated { customer: CustomerId, revision: u64 },
    CustomerErased { customer: CustomerId },
    ClientCreated { client: ClientId },
    ClientRevoked { client: ClientId },
    ApiKeyCreated { key: ApiKeyId, client: Option<ClientId> },
    ApiKeyRevoked { key: ApiKeyId, client: Option<ClientId> },
}

impl Describe for Event {
    fn kind(&self) -> String {
        let what = match self {
            Self::CustomerCreated { .. } => "customer.created",
            Self::CustomerUpdated { .. } => "customer.updated",
            Self::CustomerErased { .. } => "customer.erased",
            Self::ClientCreated { .. } => "client.created",
            Self::ClientRevoked { .. } => "client.revoked",
            Self::ApiKeyCreated { .. } => "api_key.created",
            Self::ApiKeyRevoked { .. } => "api_key.revoked",
        };
        format!("shopnode.{what}.v1")
    }

    fn topic(&self) -> &str {
        match self {
            Self::CustomerCreated { .. } | Self::CustomerUpdated { .. } | Self::CustomerErased { .. } => {
                "customers"
            }
            Self::ClientCreated { .. }
            | Self::ClientRevoked { .. }
            | Self::ApiKeyCreated { .. }
            | Self::ApiKeyRevoked { .. } => "platform",
        }
    }

    fn key(&self) -> String {
        match self {
            Self::CustomerCreated { customer }
            | Self::CustomerUpdated { customer, .. }
            | Self::CustomerErased { customer } => customer.to_string(),
            Self::ClientCreated { client } | Self::ClientRevoked { client } => client.to_string(),
            Self::ApiKeyCreated { key, .. } | Self::ApiKeyRevoked { key, .. } => key.to_string(),
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::CustomerCreated { customer } | Self::CustomerErased { customer } => {
                json!({"customer_id": customer})
            }
            Self::CustomerUpdated { customer, revision } => {
                json!({"customer_id": customer, "revision": revision})
            }
            Self::ClientCreated { client } | Self::ClientRevoked { client } => json!({"client_id": client}),
            Self::ApiKeyCreated { key, client } | Self::ApiKeyRevoked { key, client } => {
                json!({"key_id": key, "client_id": client})
            }
        }
    }
}
