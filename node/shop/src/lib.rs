//! The pure domain of the shop: a deterministic state machine.
//!
//! What it owns: commands, their guards and effects on the state, events, queries, and the types of the HTTP API.
//! What it never does: read a clock, draw a random number, touch a file, a socket, a thread or an async runtime,
//! iterate a hash map, or compute with floats. Time and seed arrive with each command.
//!
//! One order, straight down: [`apply`] → `order/commands/place.rs` → `inventory` holds the stock → `payment` opens an
//! attempt → [`ctx::Ctx::emit`] → one [`event::Batch`], one [`outcome::Outcome`].

pub mod actor;
pub mod apply;
pub mod broker;
pub mod cart;
pub mod catalog;
pub mod cluster;
pub mod codes;
pub mod command;
pub mod ctx;
pub mod event;
#[cfg(feature = "http")]
pub mod http;
pub mod ids;
pub mod inventory;
pub mod level;
pub mod money;
pub mod notification;
pub mod order;
pub mod outcome;
pub mod page;
pub mod payment;
pub mod private;
pub mod rejection;
mod replies;
pub mod sms;
pub mod tables;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod user;

pub use actor::Actor;
pub use apply::{EntryInfo, Reply, Shop};
pub use codes::Code;
pub use command::{Command, Envelope};
pub use ctx::Ctx;
pub use event::Event;
pub use level::{LEVELS, Levels};
pub use money::{Currency, Money};
pub use outcome::Outcome;
pub use private::Private;
pub use rejection::{Halt, Rejection};
pub use time::Timestamp;
