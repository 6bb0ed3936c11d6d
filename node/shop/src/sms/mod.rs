//! Text messages: which follow from which events, and what became of each. The text itself is made and sent by a worker
//! outside; here is only what every replica must agree on.
//!
//! A text message leaves at most once, unlike a mail: nothing on a phone shows two of them as one. So `sending` is
//! committed before any request goes out, and from then on the message is due again only by proof that the provider did
//! not take it, or because staff say so. What became of a request without an answer is looked up.

mod commands;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod model;
pub mod queries;
#[cfg(test)]
mod tests;

pub use commands::{
    BeginMessages, Command, Ended, EnqueueMessages, Finding, Item, MAX_BEGUN, ReportMessages, RetryMessage,
    TrimMessages,
};
pub use event::Event;
pub use model::{Cursor, Kind, Message, Messages, MessagesByStatus, MessagesDue, Position, State, Status};

use serde::{Deserialize, Serialize};

/// The queue whose lease the worker for text messages holds.
pub const QUEUE: &str = "sms";

/// What the commands for text messages answer. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// These, by sequence number, may be sent now: once, by whoever proposed it. `attempt` goes with the report.
    Begun { attempt: u64, seqs: Vec<u64> },
}
