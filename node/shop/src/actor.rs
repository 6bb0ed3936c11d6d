//! Who a command is from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ApiKeyId, ClientId};

/// The principal behind a command. Append-only. Ids, never names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// The node itself: set-up.
    System,
    /// A shopper without credentials.
    Guest,
    /// An OAuth 2 client by an access token.
    Client(ClientId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A background worker.
    Worker,
    /// A payment provider, by a signed webhook.
    Provider,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Guest => f.write_str("guest"),
            Self::Client(id) => write!(f, "{id}"),
            Self::ApiKey(id) => write!(f, "{id}"),
            Self::Worker => f.write_str("worker"),
            Self::Provider => f.write_str("provider"),
        }
    }
}

/// On whose behalf a command about a cart or an order is given; found out before it is proposed. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A shopper: through a client, or (`None`) as a guest who has shown the token of the very cart or order.
    Shopper(Option<ClientId>),
    /// Staff, or the shop itself.
    Staff,
}

impl Caller {
    /// Whether a thing of this owner may be touched.
    pub fn may_touch(self, owner: Option<ClientId>) -> bool {
        match self {
            Self::Shopper(client) => client == owner,
            Self::Staff => true,
        }
    }
}
