//! Join tokens: each lets one machine become a node, within its time.

use serde::{Deserialize, Serialize};

use crate::ids::JoinTokenId;
use crate::table;
use crate::time::Timestamp;

/// The most tokens that are kept.
pub const MAX_JOIN_TOKENS: usize = 200;
/// The shortest life of a token: a minute.
pub const MIN_TOKEN_LIFETIME_MS: u64 = 60_000;
/// The life of a token of which nothing else is said: an hour.
pub const DEFAULT_TOKEN_LIFETIME_MS: u64 = 3_600_000;
/// The longest life of a token: a day.
pub const MAX_TOKEN_LIFETIME_MS: u64 = 24 * 3_600_000;
/// How long a token that can no longer be used is kept, so that whoever tries it is told why not: a week.
pub(super) const ENDED_KEPT_MS: u64 = 7 * 24 * 3_600_000;

table!(
    /// Join tokens, those that ended a week ago not counted.
    JoinTokens, JOIN_TOKENS, JoinTokenId => JoinToken
);

/// A join token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// SHA-256 of the secret, which has 256 random bits: a slow hash would add nothing.
    pub secret_sha256: [u8; 32],
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Who used it.
    pub redeemed: Option<Redeemed>,
    pub revoked_at: Option<Timestamp>,
}

storage::versioned!(JoinToken, 1);

/// Who used a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    pub node: u64,
    /// SHA-256 of its SubjectPublicKeyInfo: the same key may ask again and gets the same id.
    pub key_sha256: [u8; 32],
}

/// What a token is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum TokenState {
    Open,
    Used,
    Revoked,
    Expired,
}

impl JoinToken {
    /// What it is good for at this time. What came first is told: a used one stays used.
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.redeemed.is_some() {
            TokenState::Used
        } else if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if now >= self.expires_at {
            TokenState::Expired
        } else {
            TokenState::Open
        }
    }
}
