//! Where the numbers go. The node exports them; this crate does not know how.

use std::time::Duration;

/// Told of what happened, on the threads where it happened: implementations must be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// A batch of `entries` was applied and committed to the engine.
    fn applied(&self, _entries: u64, _took: Duration) {}

    /// An append of `entries` and `bytes` is on stable storage; `took` counts from handing it to the log, so it
    /// includes waiting for an fsync already under way.
    fn durable(&self, _entries: u64, _bytes: u64, _took: Duration) {}

    /// The state up to `index` is on stable storage.
    fn flushed(&self, _index: u64, _took: Duration) {}

    /// A frame of a snapshot arrived from the leader.
    fn snapshot_frame(&self, _bytes: u64) {}

    /// A snapshot whose transfer was cut off goes on behind the last key that had arrived.
    fn snapshot_resumed(&self) {}

    /// This node led, and another one leads now because this one gave it the lead. The term has grown by it, as it does by an
    /// election that nobody wanted.
    fn lead_transferred(&self) {}
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
