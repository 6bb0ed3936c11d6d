//! A network in memory. It delays every message, loses some, and can be cut, all by one seed; on a runtime with
//! paused time and one thread, the same seed gives the same run.
//!
//! Calls are lost as datagrams are: the caller waits until its deadline. Channels behave as streams over a lossy
//! path do: what is lost arrives later, in order, unless the path stays cut.

mod channel;
mod random;
mod transport;
mod world;

pub use random::Random;
pub use transport::SimTransport;
pub use world::{SimNetwork, SimStats};
