//! The log: what has been promised. An append is acknowledged only when it is on stable storage.

mod check;
mod format;
mod group_commit;
mod memory;
mod range;
mod records;
mod wal;

pub use check::check_log;
pub use memory::{LogDisk, MemoryLog};
pub(crate) use wal::WalLog;
