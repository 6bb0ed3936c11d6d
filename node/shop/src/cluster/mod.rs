//! Which machines are nodes of this cluster, and how others become one: nodes, join tokens, certificate authorities,
//! what the autopilot goes by, and how the active version was raised.
//!
//! It owns identities. Who votes is not here: that is the log's own membership, which follows these records.
//! It never sees a token's secret or an authority's key: the node makes them, and this slice keeps hashes and sealed
//! bytes.

mod authority;
mod commands;
mod event;
mod fault_codes;
#[cfg(feature = "http")]
pub mod http;
mod join_codes;
mod node;
mod outcome;
mod queries;
mod raise;
mod settings;
mod token;

pub use authority::{Authorities, Authority, MAX_CERTIFICATE_BYTES, MAX_SEALED_BYTES};
pub use commands::{
    AddAuthority, Command, CreateJoinToken, RaiseActiveVersion, RedeemJoinToken, RegisterNode,
    RetireAuthority, RevokeJoinToken, SetAutopilot, SetNodeStanding, UpdateNode,
};
pub use event::Event;
pub use fault_codes::FAULT_CODES;
pub use join_codes::{JOIN_CODES, LocalCode};
pub use node::{
    MAX_ADDRESS_BYTES, MAX_NAME_CHARS, MAX_NODES, MAX_VERSION_BYTES, NodeInfo, NodeRecord, Nodes, Standing,
};
pub use outcome::Outcome;
pub use queries::{authorities, autopilot, join_token, join_tokens, node, nodes, raise, trusted_authorities};
pub use raise::{Raise, Raises};
pub use settings::{Autopilot, ClusterSettings, ClusterSettingsTable};
pub use token::{
    DEFAULT_TOKEN_LIFETIME_MS, JoinToken, JoinTokens, MAX_JOIN_TOKENS, MAX_TOKEN_LIFETIME_MS,
    MIN_TOKEN_LIFETIME_MS, Redeemed, TokenState,
};
