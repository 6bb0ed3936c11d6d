//! API clients, their keys, and the keys that sign tokens. Hashes and sealed bytes only, never a secret.

use serde::{Deserialize, Serialize};

use crate::ids::{ApiKeyId, ClientId};
use crate::table;
use crate::time::Timestamp;
use crate::user::Scopes;

/// The most API keys that a client has that are not revoked.
pub const MAX_KEYS_PER_CLIENT: usize = 100;

table!(
    /// API clients (OAuth 2 clients).
    Clients, CLIENTS, ClientId => Client
);

table!(
    /// API keys.
    ApiKeys, API_KEYS, ApiKeyId => ApiKey
);

table!(
    /// Keys that sign access tokens, by key id.
    SigningKeys, SIGNING_KEYS, String => SigningKey
);

/// An API client: a storefront, an app, a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub name: String,
    /// The most that its tokens and keys may allow.
    pub scopes: Scopes,
    /// PHC string (argon2id) of its secret.
    pub secret_hash: String,
    /// Its keys that are not revoked.
    pub keys: Vec<ApiKeyId>,
    pub created_at: Timestamp,
    /// Set once it was revoked, with all its keys.
    pub revoked_at: Option<Timestamp>,
}

storage::versioned!(Client, 1);

/// An API key. Its text is `sk_`, the 26 characters of its id, `_` and a secret that only its holder has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What it is for.
    pub name: String,
    /// The client it belongs to; `None`: the shop's own staff.
    pub client: Option<ClientId>,
    /// SHA-256 of the secret, which has 256 random bits: a slow hash would add nothing.
    pub secret_sha256: [u8; 32],
    pub scopes: Scopes,
    pub created_at: Timestamp,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

storage::versioned!(ApiKey, 1);

impl ApiKey {
    /// Whether it opens anything at this time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// A key pair that signs access tokens (Ed25519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    pub public_key: [u8; 32],
    /// The private key, sealed by the nodes' seal key.
    pub sealed_private_key: Vec<u8>,
    pub created_at: Timestamp,
    /// Since then it signs nothing; it verifies what it signed until that has expired.
    pub retired_at: Option<Timestamp>,
}

storage::versioned!(SigningKey, 1);
