//! The log: what has been promised. An append is acknowledged only when it is on stable storage.

mod begun;
mod check;
mod format;
mod group_commit;
mod memory;
mod range;
mod records;
mod wal;

pub(crate) use begun::BegunMark;
pub use check::check_log;
pub use memory::{LogDisk, MemoryLog};
pub(crate) use wal::WalLog;
