//! The log as programs before active version 7 keep it: raft-log's. It is read and written until no such program can come
//! back, and then brought into our own format (`convert.rs`).

mod group_commit;
mod records;
mod wal;

pub(crate) use wal::EarlierLog;
