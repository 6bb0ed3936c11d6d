//! The HTTP face of the node: one pipeline, in one visible order (`pipeline.rs`).
//!
//! What it owns: connections, limits, hygiene, rate limits, who and whether, problems, idempotency keys, freshness of
//! reads. What it never does: decide about an order, a price or stock (that is `shop`), or keep state of its own that
//! a restart would miss.

mod answer;
mod app;
mod authenticate;
mod authorize;
mod balance;
mod body;
mod call;
mod conditional;
mod document;
mod framing;
mod head_guard;
mod hygiene;
mod idempotency;
mod idle;
mod json;
mod limits;
mod observe;
mod pipeline;
mod policy;
mod problem;
mod query;
mod rate_limit;
mod read;
mod rendered;
mod route;
mod serve;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use answer::{Done, INDEX, Seen, Tagged, json, unexpected};
pub use app::{App, Consistency, Core, Parts, READ_TIMEOUT, SUBMIT_TIMEOUT, Unserved};
pub use authorize::unauthenticated;
pub use balance::{Balance, ForPeers, serve_peers};
pub use body::{Empty, Json, MaybeJson, Media, Raw, media_type};
pub use call::{Call, STORE};
pub use conditional::{expected_revision, optional_revision, tagged};
pub use document::document;
pub use hygiene::ClientAddress;
pub use limits::REQUESTS_AT_ONCE;
pub use observe::REQUEST_ID;
pub use pipeline::Pipeline;
pub use policy::{Access, Field, Policy};
pub use problem::{OwnErrorBody, PROBLEM_JSON, Problem};
pub use query::{PathId, PathIds, Query, form_pairs};
pub use rate_limit::exchange as exchange_limits;
pub use rendered::Shown;
pub use route::{Routes, operations};
pub use serve::serve;
