//! Consistent copies of the replicated tables while commits go on, and receiving such a copy.
//!
//! How an export stays at one moment: every commit publishes the *pre-images* of what it is about to change (the old
//! value, or *absent*) to each open export before its batch reaches the engine. A walk reads a stretch of the engine,
//! then the pre-images of that stretch, and lets the pre-image win. Whatever the walk saw of a later commit, the
//! pre-image was published before; a key deleted since is emitted from its pre-image.
//!
//! Only the first pre-image of a key counts: it is the value at the moment of the export. All of them are kept until the
//! export is dropped, so that any number of readers can walk it, each at its own pace, or again from the middle.

mod check;
#[cfg(test)]
mod consistency;
mod export;
mod frame;
mod pre_images;
mod receive;
mod run;
mod walk;

pub use check::{CheckedCopy, CopyCheck};
pub(crate) use export::Shared as SharedExport;
pub use export::{Export, ExportLimits, ExportReader};
pub use frame::{EXPORT_VERSION, MAX_FRAME_BYTES, MAX_NOTE_BYTES};
pub(crate) use receive::FLUSH_EVERY_BYTES;
pub use receive::{Incoming, Received};
