//! The node: everything of a shop that touches a clock, a random number, a secret, a socket or a third party.
//!
//! The binary is [`cli`] around this library; a library it is so that simulations and black-box tests can run the
//! same parts. What every replica must compute identically lives in the `shop` crate, never here.

pub mod api;
pub mod auth;
pub mod autopilot;
mod backoff;
pub mod backup;
pub mod blobs;
pub mod cli;
pub mod clock;
mod compaction;
pub mod config;
pub mod consumers;
mod core;
pub mod data_dir;
pub mod dev;
#[path = "../../packaging/documents.rs"]
mod documents;
pub mod effects;
pub mod enrolment;
pub mod fence;
pub mod gateway;
pub mod identity;
pub mod init;
mod leisure;
pub mod level;
pub mod machine;
pub mod mail_catcher;
pub mod membership;
mod nearest;
pub mod node;
pub mod peers;
mod peers_file;
pub mod proposer;
pub mod rejoin;
pub mod replica;
pub mod run;
pub mod sandbox;
mod scrub;
pub mod secrets;
pub mod service_manager;
pub mod shutdown;
pub mod sms_catcher;
pub mod telemetry;
pub mod third_parties;
pub mod timekeeping;
pub mod workers;

pub use nearest::nearest;
