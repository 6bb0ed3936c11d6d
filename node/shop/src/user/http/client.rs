use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::codes::Code;
use crate::http::{Checks, Cursor, Limit};
use crate::ids::{ApiKeyId, ClientId};
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::user::{ApiKey, Client, CreateApiKey, CreateClient, Scopes};

/// The body of `POST /admin/v1/clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientInput {
    #[schema(min_length = 1, max_length = 100, example = "storefront")]
    pub name: String,
    /// The most that its tokens and keys may allow.
    pub scopes: Scopes,
}

impl ClientInput {
    /// The command that creates it. `secret_hash` is the PHC string of a secret that the node has made.
    pub fn command(self, secret_hash: String) -> Result<CreateClient, Rejection> {
        check_grant(&self.name, self.scopes)?;
        Ok(CreateClient { name: self.name, scopes: self.scopes, secret_hash })
    }
}

/// The body of `POST /admin/v1/clients/{id}/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyInput {
    #[schema(min_length = 1, max_length = 100, example = "nightly export")]
    pub name: String,
    /// No more than the client has.
    pub scopes: Scopes,
    /// Never, if missing.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl ApiKeyInput {
    /// The command that creates it. `secret_sha256` is the hash of a secret that the node has made.
    pub fn command(
        self,
        client: Option<ClientId>,
        secret_sha256: [u8; 32],
    ) -> Result<CreateApiKey, Rejection> {
        check_grant(&self.name, self.scopes)?;
        let Self { name, scopes, expires_at } = self;
        Ok(CreateApiKey { name, client, secret_sha256, scopes, expires_at })
    }
}

fn check_grant(name: &str, scopes: Scopes) -> Result<(), Rejection> {
    let mut checks = Checks::new();
    checks.line("/name", name, 1..=100);
    if scopes.is_empty() {
        checks.fail("/scopes", "at least one scope is needed");
    }
    checks.finish()
}

/// The answer to `POST /admin/v1/clients`: the only time that the secret is shown.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ClientCreated {
    pub client_id: ClientId,
    pub client_secret: String,
    pub name: String,
    pub scopes: Scopes,
}

/// The answer to `POST /admin/v1/clients/{id}/keys`: the only time that the key is shown.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyCreated {
    pub id: ApiKeyId,
    /// Send it as `Authorization: Bearer`.
    pub key: String,
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
}

/// A client as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientView {
    pub id: ClientId,
    pub name: String,
    pub scopes: Scopes,
    /// Its keys that are not revoked.
    pub keys: Vec<ApiKeyView>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl ClientView {
    /// The view of a client and those of its keys that were read.
    pub fn of(id: ClientId, client: &Client, keys: &[(ApiKeyId, ApiKey)]) -> Self {
        Self {
            id,
            name: client.name.clone(),
            scopes: client.scopes,
            keys: keys.iter().map(|(id, key)| ApiKeyView::of(*id, key)).collect(),
            created_at: client.created_at,
            revoked_at: client.revoked_at,
        }
    }
}

/// A key as the API shows it: never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyView {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKeyView {
    /// The view of a key.
    pub fn of(id: ApiKeyId, key: &ApiKey) -> Self {
        let ApiKey { name, scopes, created_at, expires_at, revoked_at, .. } = key.clone();
        Self { id, name, scopes, created_at, expires_at, revoked_at }
    }
}

/// The query of `GET /admin/v1/clients`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ClientsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl ClientsQuery {
    /// What to ask of [`crate::user::clients`]: `after`, limit.
    pub fn read(&self) -> Result<(Option<ClientId>, usize), Rejection> {
        Ok((self.cursor.as_ref().map(Cursor::key).transpose()?, self.limit.unwrap_or_default().get()))
    }
}

/// Refuses with `forbidden` what would give more than the giver has.
pub fn check_may_grant(giver: Scopes, granted: Scopes) -> Result<(), Rejection> {
    if giver.covers(granted) {
        return Ok(());
    }
    Err(Rejection::at(Code::Forbidden, "/scopes", "nobody can grant more than they have"))
}
