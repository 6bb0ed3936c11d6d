//! Who belongs to the group. Every change goes through the log, and none is proposed that would leave the group
//! without a majority that answers.

mod change;
mod error;
mod guard;
mod step_aside;
mod transfer;

pub use error::MembershipError;
pub(crate) use step_aside::step_aside_when_the_disk_stalls;
