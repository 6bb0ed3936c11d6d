//! The cluster in the HTTP API: join tokens.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::cluster::{
    CreateJoinToken, DEFAULT_TOKEN_LIFETIME_MS, JoinToken, MAX_TOKEN_LIFETIME_MS, MIN_TOKEN_LIFETIME_MS,
    TokenState,
};
use crate::http::{Checks, Cursor, Limit};
use crate::ids::JoinTokenId;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The body of `POST /admin/v1/cluster/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JoinTokenInput {
    /// How long it can be used; an hour, if missing.
    #[schema(minimum = 60, maximum = 86_400, example = 3600)]
    pub expires_in_seconds: Option<u64>,
}

impl JoinTokenInput {
    /// The command that creates it. `secret_sha256` is the hash of a secret that the node has made.
    pub fn command(self, secret_sha256: [u8; 32]) -> Result<CreateJoinToken, Rejection> {
        let lifetime_ms = self
            .expires_in_seconds
            .map_or(DEFAULT_TOKEN_LIFETIME_MS, |seconds| seconds.saturating_mul(1_000));
        let mut checks = Checks::new();
        if !(MIN_TOKEN_LIFETIME_MS..=MAX_TOKEN_LIFETIME_MS).contains(&lifetime_ms) {
            checks.fail("/expires_in_seconds", "60 to 86400 are allowed");
        }
        checks.finish()?;
        Ok(CreateJoinToken { secret_sha256, lifetime_ms })
    }
}

/// The answer to `POST /admin/v1/cluster/tokens`: the only time that the token is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenCreated {
    pub id: JoinTokenId,
    /// For `shopnode join HOST:PORT --token`.
    pub token: String,
    pub expires_at: Timestamp,
}

/// A join token as the API shows it: never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenView {
    pub id: JoinTokenId,
    pub state: TokenState,
    /// The node that used it.
    pub node: Option<u64>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl JoinTokenView {
    /// The view of a token at this time.
    pub fn of(id: JoinTokenId, token: &JoinToken, now: Timestamp) -> Self {
        Self {
            id,
            state: token.state(now),
            node: token.redeemed.map(|redeemed| redeemed.node),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// Whether nodes trust an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityState {
    /// It signs new certificates.
    Signing,
    /// What it signed is trusted; another one signs.
    Trusted,
    /// Nothing that it signed is trusted.
    Retired,
}

/// A certificate authority of the cluster: never its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorityView {
    /// SHA-256 of its public key (SubjectPublicKeyInfo), in hexadecimal: what join tokens pin.
    pub fingerprint: String,
    pub state: AuthorityState,
    pub added_at: Timestamp,
    pub retired_at: Option<Timestamp>,
    /// The nodes that say that they have a certificate of it.
    pub nodes: Vec<u64>,
}

/// The answer to `GET /admin/v1/cluster/authorities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthoritiesView {
    /// Oldest first.
    pub data: Vec<AuthorityView>,
    /// Nodes that belong to the cluster and did not say whose certificate they have.
    pub silent: Vec<u64>,
}

/// The body of `POST /admin/v1/cluster/authorities/{fingerprint}/retire`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetireAuthorityInput {
    /// Also while nodes do not say whose certificate they have: one that still has this authority's is locked out for good, and its
    /// machine has to join anew.
    pub ignore_silent: bool,
}

/// The query of `GET /admin/v1/cluster/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct JoinTokensQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl JoinTokensQuery {
    /// What to ask of [`crate::cluster::join_tokens`]: `after`, limit.
    pub fn read(&self) -> Result<(Option<JoinTokenId>, usize), Rejection> {
        Ok((self.cursor.as_ref().map(Cursor::key).transpose()?, self.limit.unwrap_or_default().get()))
    }
}
