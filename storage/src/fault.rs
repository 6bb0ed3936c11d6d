//! What can go wrong in the storage of one node.
//!
//! A fault is local and fatal: whoever meets one stops the node instead of guessing. It is never the answer to a
//! request. Every fault has a stable code and says what failed, on what, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A local, fatal failure of storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system refused a file operation.
    #[error("could not {doing} {}: {source}. Check the disk, its free space and the permissions", path.display())]
    Io {
        /// What was being done, as a verb: "read", "create".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The storage engine reported an error of its own.
    #[error(
        "the storage engine could not {doing}: {detail}. Stop the node, check the disk, and restore this node from its peers or from a backup"
    )]
    Engine {
        /// What was being done, as a verb.
        doing: &'static str,
        /// What the engine said.
        detail: String,
    },
    /// Bytes were read that this program cannot have written.
    #[error("{what} is damaged: {detail}. Restore this node from its peers or from a backup")]
    Corrupt {
        /// Whose bytes: a table, a file, a frame.
        what: &'static str,
        /// What was found instead.
        detail: String,
    },
    /// A stored value was written by a newer version of this program.
    #[error(
        "{what} is stored in version {found}, and this program knows up to {known}. Start the newer program again, or upgrade"
    )]
    NewerVersion {
        /// The type whose value it is.
        what: &'static str,
        /// The version found.
        found: u8,
        /// The newest version this program can read.
        known: u8,
    },
    /// Whole bytes of a kind that this program does not know: only a newer one can have written them.
    #[error(
        "{what} is of a kind that this program does not know ({detail}). A newer program wrote it: install the version that the other nodes run"
    )]
    NewerKind {
        /// Whose bytes: an entry of the log.
        what: &'static str,
        /// What the codec said.
        detail: String,
    },
    /// The files of the store have a layout that this program does not know.
    #[error("{} says {found:?}, and this program knows only {known:?}. Start the program that wrote it, or upgrade", path.display())]
    UnknownFormat {
        /// The format file.
        path: PathBuf,
        /// What stands in it.
        found: String,
        /// What this program writes and reads.
        known: &'static str,
    },
    /// Another process has the store open.
    #[error("{} is in use by another process. Stop that one first: two would destroy the data", path.display())]
    InUse {
        /// The directory of the store.
        path: PathBuf,
    },
    /// A key, a value or a frame is larger than its bound.
    #[error("{what} has {found} bytes and may have {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        found: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// A value could not be brought into its stored form.
    #[error("{what} could not be encoded: {detail}. This is a defect of the program")]
    Encode {
        /// The type of the value.
        what: &'static str,
        /// What the codec said.
        detail: String,
    },
    /// `insert` was called for a key that is there already.
    #[error(
        "a record was inserted into table {table:#04x} whose key exists. This is a defect of the program"
    )]
    KeyExists {
        /// The prefix of the table.
        table: u8,
    },
    /// A transaction was committed after another one, begun from the same state.
    #[error(
        "a transaction began at commit {began} and met commit {found}: there are two writers. This is a defect of the program"
    )]
    SecondWriter {
        /// The number of the commit it began after.
        began: u64,
        /// The number of the last commit now.
        found: u64,
    },
    /// The records do not add up to the digest that was kept or promised.
    #[error(
        "{what}: the records give {found}, expected was {expected}. Take a fresh copy from a peer or a backup"
    )]
    DigestMismatch {
        /// Where: the scrub, an export, a received copy.
        what: &'static str,
        /// The overall digest of the records.
        found: String,
        /// The overall digest that was expected.
        expected: String,
    },
    /// An export could not go on: its pre-images outgrew their bound or could not be written.
    #[error("the export cannot be completed: {detail}. Begin a new one")]
    ExportLost {
        /// Why.
        detail: String,
    },
    /// A copy that arrived is not what was sent, or not of a kind this program knows. Not fatal: the copy is.
    #[error("the copy that arrived cannot be used: {detail}. Ask for it again")]
    BadCopy {
        /// What is wrong with it.
        detail: String,
    },
    /// More exports are open than the bound allows.
    #[error("{limit} exports are open already. Wait until one is done")]
    TooManyExports {
        /// The bound.
        limit: usize,
    },
    /// A stream of frames ended before its trailer.
    #[error("the copy ended early, after {records} records. Ask for it again")]
    Incomplete {
        /// How many records had arrived.
        records: u64,
    },
    /// Another state took the place of the one that was being rebuilt.
    #[error(
        "the state was replaced while it was being rebuilt. Begin again if its files are still too large"
    )]
    Superseded,
    /// New files for the same state could not be written. Not fatal: the old ones are in use.
    #[error("the new files could not be written: {detail}. Nothing has changed; make room on the disk")]
    NotRebuilt {
        /// What kept them from it.
        detail: String,
    },
    /// The caller broke off what it had begun.
    #[error("it was broken off; nothing has changed. Begin again when it suits")]
    BrokenOff,
    /// The store was opened without a place for new generations.
    #[error("this store has no place in which to receive a copy. Open it with its directory")]
    NoHome,
}

/// One table for both: what a code is, and which there are.
macro_rules! codes {
    ($($fault:pat => $code:literal,)*) => {
        /// All codes.
        pub const CODES: &'static [&'static str] = &[$($code),*];

        /// The stable code that logs, metrics and `explain` use.
        pub fn code(&self) -> &'static str {
            match self { $($fault => $code,)* }
        }
    };
}

impl Fault {
    codes! {
        Fault::Io { .. } => "storage_io",
        Fault::Engine { .. } => "storage_engine",
        Fault::Corrupt { .. } => "storage_corrupt",
        Fault::NewerVersion { .. } => "storage_newer_version",
        Fault::NewerKind { .. } => "storage_newer_kind",
        Fault::UnknownFormat { .. } => "storage_unknown_format",
        Fault::InUse { .. } => "storage_in_use",
        Fault::TooLarge { .. } => "storage_too_large",
        Fault::Encode { .. } => "storage_encode",
        Fault::KeyExists { .. } => "storage_key_exists",
        Fault::SecondWriter { .. } => "storage_second_writer",
        Fault::DigestMismatch { .. } => "storage_digest_mismatch",
        Fault::ExportLost { .. } => "storage_export_lost",
        Fault::BadCopy { .. } => "storage_bad_copy",
        Fault::TooManyExports { .. } => "storage_too_many_exports",
        Fault::Incomplete { .. } => "storage_incomplete",
        Fault::Superseded => "storage_superseded",
        Fault::NotRebuilt { .. } => "storage_not_rebuilt",
        Fault::BrokenOff => "storage_broken_off",
        Fault::NoHome => "storage_no_home",
    }

    /// Damaged bytes in `what`.
    pub fn corrupt(what: &'static str, detail: impl Into<String>) -> Fault {
        Fault::Corrupt { what, detail: detail.into() }
    }

    /// A refused file operation.
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: io::Error) -> Fault {
        Fault::Io { doing, path: path.as_ref().to_path_buf(), source }
    }
}
