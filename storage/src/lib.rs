//! State of one node: an ordered map of bytes, typed tables over it, transactions that become one atomic batch, running
//! digests, and consistent copies while writing goes on.
//!
//! It never knows what the records mean, never replicates, and never guesses: a [`Fault`] is local and fatal.

mod blobs;
#[cfg(feature = "sled")]
mod blocks;
pub mod codec;
mod digest;
#[cfg(feature = "sled")]
mod directory;
mod engine;
mod fault;
#[cfg(feature = "fjall")]
mod fjall;
mod home;
pub mod key;
mod live;
mod memory;
mod overlay;
mod read;
mod rebuild;
#[cfg(feature = "sled")]
mod removal;
mod scrub;
#[cfg(feature = "sled")]
mod sled;
mod snapshot;
mod store;
mod table;
mod txn;
mod view;
#[cfg(feature = "sled")]
mod write_behind;

pub use blobs::{BlobHash, BlobStore, MAX_BLOB_BYTES, ParseBlobHashError};
#[cfg(feature = "fjall")]
pub use blocks::Blocks;
pub use codec::{Value, decode, encode};
pub use digest::{Digests, TableDigest};
pub use engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
pub use fault::Fault;
#[cfg(feature = "fjall")]
pub use fjall::FjallEngine;
pub use home::MemoryDisk;
pub use key::{Key, Scope};
pub use memory::MemoryEngine;
pub use read::{Read, ReadBytes, Stored};
pub use rebuild::Rebuilt;
#[cfg(feature = "sled")]
pub use removal::finish_removal;
pub use scrub::ScrubReport;
#[cfg(feature = "sled")]
pub use sled::SledEngine;
pub use snapshot::{
    CheckedCopy, CopyCheck, EXPORT_VERSION, Export, ExportLimits, ExportReader, Incoming, MAX_FRAME_BYTES,
    MAX_NOTE_BYTES, Received,
};
pub use store::{MAX_OPEN_EXPORTS, Store};
pub use table::{Span, Table};
pub use txn::Txn;
pub use view::View;
