//! What a route demands and promises: who may call it, what it reads, how fresh it answers. The route is guarded by it and
//! the OpenAPI document is completed from it, so that the two cannot differ.

use shop::user::Scope;

use super::app::Consistency;
use super::body::Media;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; what is whose is decided by the handler.
    Open,
    /// Guests, and clients that hold the scope.
    GuestOr(Scope),
    /// Who holds the scope.
    Only(Scope),
    /// Who holds the scope and acts for the shop: a key that is no client's, or a client with every scope. A partner
    /// that may see its own customers must not see all.
    Staff(Scope),
}

/// A header field that only some routes look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    OrderToken,
    CartToken,
    /// `If-Match`, where it may be left out.
    Revision,
    /// `Stripe-Signature`.
    Signature,
}

/// What a route demands and promises.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub access: Access,
    /// Whether an `Idempotency-Key` must come with it: whatever touches money or stock.
    pub key_required: bool,
    /// Whether `If-Match` must come with it: whatever changes one admin resource in place.
    pub conditional: bool,
    /// Whether it answers from the state.
    pub stateful: bool,
    /// How fresh, unless the caller says.
    pub consistency: Consistency,
    pub media: Media,
    /// Header fields that the route looks at besides.
    pub fields: &'static [Field],
    /// The largest body in bytes; `None`: what is configured (1 MiB).
    pub body_bytes: Option<usize>,
}

impl Policy {
    const fn new(access: Access, consistency: Consistency) -> Self {
        Self {
            access,
            key_required: false,
            conditional: false,
            stateful: true,
            consistency,
            media: Media::Json,
            fields: &[],
            body_bytes: None,
        }
    }

    /// For anybody, as this node has it.
    pub const fn open() -> Self {
        Self::new(Access::Open, Consistency::Local)
    }

    /// For guests and for clients with `scope`.
    pub const fn guest_or(scope: Scope) -> Self {
        Self::new(Access::GuestOr(scope), Consistency::Linearizable)
    }

    /// For holders of `scope`.
    pub const fn only(scope: Scope) -> Self {
        Self::new(Access::Only(scope), Consistency::Linearizable)
    }

    /// For the shop's own staff, with `scope`.
    pub const fn staff(scope: Scope) -> Self {
        Self::new(Access::Staff(scope), Consistency::Linearizable)
    }

    pub const fn key_required(mut self) -> Self {
        self.key_required = true;
        self
    }

    pub const fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    pub const fn looks_at(mut self, fields: &'static [Field]) -> Self {
        self.fields = fields;
        self
    }

    /// Answered without looking at the state.
    pub const fn stateless(mut self) -> Self {
        self.stateful = false;
        self
    }

    pub const fn local(mut self) -> Self {
        self.consistency = Consistency::Local;
        self
    }

    pub const fn linearizable(mut self) -> Self {
        self.consistency = Consistency::Linearizable;
        self
    }

    pub const fn reads(mut self, media: Media, bytes: Option<usize>) -> Self {
        self.media = media;
        self.body_bytes = bytes;
        self
    }
}
