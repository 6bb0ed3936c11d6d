//! Backups: one consistent moment of the shop in one encrypted file, and a new cluster made of one.
//!
//! ```text
//! file     = head, chunks
//! head     = "shopbkup", version u16 (1), manifest length u32, manifest (JSON),
//!            kdf u8 (1: argon2id, version 0x13), memory KiB u32, passes u32, lanes u32, salt 16,
//!            nonce prefix 7, key check 16, SHA-256 of all before 32
//! chunk    = AES-256-GCM of 65,536 bytes, or of the fewer that are left for the last one
//! plain    = version u8 (1), seal key 32, the frames of an export (storage/DESIGN.md)
//!          | version u8 (2), seal key 32, images, 0 u8, the frames of an export
//! image    = 1 u8, SHA-256 32, length u32, its bytes
//! ```
//!
//! Numbers are big-endian. The nonce of a chunk is `prefix, counter u32, last u8`: the STREAM construction (Hoang,
//! Reyhanitabar, Rogaway, Vizár 2015, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance"), so that chunks
//! cannot be left out, moved, or cut off at the end. The SHA-256 of the head is every chunk's associated data, so that
//! a manifest belongs to its records. Every file has a key of its own, by its salt. A shop without images is written in version 1,
//! which every program reads.
//!
//! It never holds more than one frame or image, one chunk and what a bucket has under way in memory, and never holds a commit up: an
//! export is open while it runs.

mod bucket;
mod cipher;
mod create;
mod directory;
mod error;
mod head;
mod images;
mod keeper;
mod manifest;
mod name;
mod open;
mod passphrase;
mod restore;
mod shelf;
mod verify;

pub use bucket::{Bucket, Patience};
pub use create::{About, Moment, create};
pub use error::BackupError;
pub use keeper::Keeper;
pub use manifest::{Manifest, VERSION};
pub use name::Name;
pub use passphrase::{Passphrase, Strength};
pub use restore::restore;
pub use shelf::{Shelf, Shelved, Source};
pub use verify::verify;

#[cfg(test)]
mod tests;
