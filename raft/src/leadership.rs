//! Who leads, and how long ago this node last had word of it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use net::NodeId;
use openraft::{Instant as _, async_runtime::WatchReceiver};
use tokio::time::Instant;

use crate::{host::Host, launch::Inner};

/// When a leader was last heard. Written for every append, so it is one atomic.
#[derive(Debug)]
pub(crate) struct Heard {
    started: Instant,
    /// Milliseconds after `started`, and one more; 0 before anything was heard.
    after_ms: AtomicU64,
}

impl Heard {
    pub(crate) fn new() -> Heard {
        Heard { started: Instant::now(), after_ms: AtomicU64::new(0) }
    }

    /// An append has come: entries, or a heartbeat.
    pub(crate) fn now(&self) {
        self.after_ms.store(self.elapsed_ms() + 1, Ordering::Relaxed);
    }

    fn ago(&self) -> Option<Duration> {
        let after_ms = self.after_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.elapsed_ms().saturating_sub(after_ms)))
    }

    fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Host {
    /// Who leads, as far as this node knows. It may be somebody who has been gone for a while: see [`Host::silence`].
    pub fn leader(&self) -> Option<NodeId> {
        self.inner.leader()
    }

    /// For how long this node has not heard that the cluster goes on: a follower from its leader, a leader from a
    /// majority. `None` before it first did.
    pub fn silence(&self) -> Option<Duration> {
        self.inner.silence()
    }

    /// Whether the leader, or for a leader its majority, was heard within two election timeouts. What was not is most
    /// likely gone or cut off, or this node is.
    pub fn is_in_touch(&self) -> bool {
        self.silence().is_some_and(|silence| silence <= self.inner.config.timings.election_max * 2)
    }

    /// Returns once another node than `known` leads, or when the host has ended.
    pub async fn leader_other_than(&self, known: NodeId) {
        self.inner.leader_other_than(known).await;
    }
}

impl Inner {
    pub(crate) async fn leader_other_than(&self, known: NodeId) {
        let mut metrics = self.raft.metrics();
        while self.leader().is_none_or(|leader| leader == known) {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    fn silence(&self) -> Option<Duration> {
        if self.leader() != Some(self.config.node) {
            return self.heard.ago();
        }
        if self.is_sole_voter() {
            return Some(Duration::ZERO);
        }
        let heard = self.raft.metrics().borrow_watched().last_quorum_acked;
        heard.map(|at| at.into_inner().elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Heard;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_word() {
        let heard = Heard::new();
        assert_eq!(heard.ago(), None);
        heard.now();
        assert_eq!(heard.ago(), Some(Duration::ZERO));
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(heard.ago(), Some(Duration::from_millis(700)));
        heard.now();
        assert_eq!(heard.ago(), Some(Duration::ZERO));
    }
}
