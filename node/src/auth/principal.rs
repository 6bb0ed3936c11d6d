//! Who calls, and what they may.

use shop::Actor;
use shop::ids::{ApiKeyId, ClientId};
use shop::user::{Scope, Scopes};

/// Who a request is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// Without credentials.
    Guest,
    /// A client, by an access token.
    Client { id: ClientId, scopes: Scopes },
    /// An API key: of a client, or of the shop's own staff.
    ApiKey { id: ApiKeyId, client: Option<ClientId>, scopes: Scopes },
}

impl Principal {
    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        match self {
            Self::Guest => Scopes::default(),
            Self::Client { scopes, .. } | Self::ApiKey { scopes, .. } => *scopes,
        }
    }

    /// Whether it holds the scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes().allows(scope)
    }

    /// Whether it acts for the shop and not for a partner.
    pub fn is_staff(&self) -> bool {
        match self {
            Self::Guest => false,
            Self::ApiKey { client: None, .. } => true,
            Self::Client { scopes, .. } | Self::ApiKey { scopes, .. } => *scopes == Scopes::EVERY,
        }
    }

    pub fn is_guest(&self) -> bool {
        matches!(self, Self::Guest)
    }

    /// The client: who owns what is made. Neither guests nor staff have one.
    pub fn client(&self) -> Option<ClientId> {
        match self {
            Self::Guest => None,
            Self::Client { id, .. } => Some(*id),
            Self::ApiKey { client, .. } => *client,
        }
    }

    /// Whom the log names.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Guest => Actor::Guest,
            Self::Client { id, .. } => Actor::Client(*id),
            Self::ApiKey { id, .. } => Actor::ApiKey(*id),
        }
    }

    /// Whose idempotency keys are one's own: a client's by token and key alike. All guests are one: their keys are
    /// random, and the stored answer goes only to who sends the very same body.
    pub fn identity(&self) -> String {
        match self {
            Self::Guest => "guest".to_owned(),
            Self::Client { id, .. } | Self::ApiKey { client: Some(id), .. } => id.to_string(),
            Self::ApiKey { id, client: None, .. } => id.to_string(),
        }
    }
}
