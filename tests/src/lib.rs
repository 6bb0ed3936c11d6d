//! Black-box tests: real `shopnode` processes on loopback, seen only through HTTP, files and signals.
//!
//! What it owns: the harness. What it never does: look into a process, or end one that it did not start. Into the state of a stopped
//! node `damage` alone reaches, to spoil it.

pub mod api;
pub mod buyers;
pub mod cluster;
pub mod collector;
pub mod damage;
pub mod dev;
pub mod history;
pub mod network;
pub mod node;
pub mod orders;
pub mod processor;
pub mod shopctl;
pub mod wait;

pub use api::{Answer, Api};
pub use buyers::{Buyers, Shopping};
pub use cluster::{Cluster, Program};
pub use collector::Collector;
pub use dev::Dev;
pub use node::Node;
