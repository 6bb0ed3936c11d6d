//! One replicated state machine: a log agreed on by a majority, applied in the same order on every node.
//!
//! It sees bytes, never orders. It reads no clock and draws no random number of its own: the leader's [`Clock`]
//! stamps each command, and everything after that is a function of the log.

mod applier;
mod apply_thread;
mod codec;
mod config;
mod error;
mod flusher;
mod host;
mod launch;
mod leadership;
mod log;
mod machine;
mod membership;
mod network;
mod observer;
mod progress;
mod read;
mod read_index;
mod refetch;
mod restore;
mod rounds;
mod rpc;
mod runtime;
mod service;
mod snapshot;
mod snapshot_transfer;
mod stamp;
mod state_machine;
mod status;
mod submit;
#[cfg(test)]
mod suite;
mod tables;
mod types;

pub use codec::Malformed;
pub use config::{Config, Timings};
pub use error::{Fault, ReadError, SubmitError};
pub use host::{Host, MAX_COMMAND_BYTES};
pub use log::{LogDisk, MemoryLog, check_log};
pub use machine::{Entry, Machine};
pub use membership::MembershipError;
pub use net::NodeId;
pub use observer::{NoObserver, Observer};
pub use read::Consistency;
pub use refetch::Refetch;
pub use restore::found_on;
pub use runtime::seed_this_thread;
pub use stamp::{Clock, Skew};
pub use status::{Member, Role, Status};
pub use submit::Applied;
pub use tables::{active_version, applied_index};
pub use types::NodeInfo;
