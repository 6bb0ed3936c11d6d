//! What nodes ask each other, listed once. These numbers are a contract between nodes of different versions: append,
//! retire, never reuse.

use net::Kind;

/// A command for the leader: see [`super::submit`].
pub const SUBMIT: Kind = Kind(1);
/// How a node is: see [`super::status`].
pub const STATUS: Kind = Kind(2);
/// An order for the members of the log's group: see [`crate::membership`].
pub const ORDER: Kind = Kind(5);
/// What callers spent of their limits: see [`super::spent`]. 3 and 4 are for certificates and digests.
pub const SPENT: Kind = Kind(6);
/// A read to be answered in another node's place: see [`super::read`].
pub const READ: Kind = Kind(7);
/// An operator wants the node to give its state new files: `[version u8 = 1]`, answered with nothing. See [`crate::compaction`].
pub const COMPACT: Kind = Kind(8);
/// Whose certificate a node has: see [`super::authority`].
pub const AUTHORITY: Kind = Kind(9);
/// What a node's clock says: see [`super::clock`].
pub const CLOCK: Kind = Kind(10);
/// A channel of commands for the leader: see [`super::courier`].
pub const SUBMIT_MANY: Kind = Kind(11);
/// A consumer lives: see [`super::heartbeat`].
pub const HEARTBEAT: Kind = Kind(12);
/// Which blobs a node has, all there are, and channels that bring one there and here: see [`super::blob`].
pub const HAS_BLOBS: Kind = Kind(13);
pub const LIST_BLOBS: Kind = Kind(14);
pub const GIVE_BLOB: Kind = Kind(15);
pub const TAKE_BLOB: Kind = Kind(16);
