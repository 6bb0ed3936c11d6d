//! The log: what has been promised. An append is acknowledged only when it is on stable storage.

mod begun;
mod check;
mod convert;
mod disk;
mod earlier;
mod format;
mod memory;
mod range;
mod wal;

pub(crate) use begun::BegunMark;
pub use check::check_log;
pub(crate) use disk::{DiskLog, Newest};
pub use memory::{LogDisk, MemoryLog};
