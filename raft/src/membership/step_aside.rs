//! A leader whose disk stalls is a bad leader: it gives the lead to one that can write.

use std::{sync::Arc, time::Duration};

use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep};

use crate::launch::Inner;

/// How often the log's progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// After stepping aside, or failing to, a leader tries to make do with its disk for this long.
const PAUSE: Duration = Duration::from_secs(30);

/// Bounds one attempt.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// While this node leads: hands over when no append has become durable here for `limit` although one waits.
///
/// The others may commit without this node's disk, so what it has accepted is not lost by that; but a group of two
/// waits for it, and everybody does whose command it must still acknowledge.
pub(crate) async fn step_aside_when_the_disk_stalls(inner: Arc<Inner>, limit: Duration) {
    let mut stall = Stall::default();
    loop {
        sleep(LOOK_EVERY).await;
        if !inner.raft.is_leader() {
            stall = Stall::default();
            continue;
        }
        let written = inner.raft.metrics().borrow_watched().last_log_index.unwrap_or(0);
        let flushed = inner.raft.watch_log_progress().get().and_then(|point| point.last_log_id);
        let flushed = flushed.map_or(0, |id| id.index);
        if stall.lasts(written, flushed, Instant::now()) < limit {
            continue;
        }
        tracing::warn!(written, flushed, "the disk under the log stalls; looking for another leader");
        match inner.hand_over(Instant::now() + HAND_OVER_LIMIT).await {
            Ok(leader) => tracing::warn!(leader, "stepped aside because the disk stalls"),
            Err(error) => tracing::warn!(error = %error, "cannot step aside"),
        }
        sleep(PAUSE).await;
        stall = Stall::default();
    }
}

/// Since when nothing has become durable.
#[derive(Debug, Default)]
struct Stall {
    flushed: u64,
    since: Option<Instant>,
}

impl Stall {
    /// How long an entry has waited without any progress.
    fn lasts(&mut self, written: u64, flushed: u64, now: Instant) -> Duration {
        if flushed >= written || flushed != self.flushed || self.since.is_none() {
            *self = Stall { flushed, since: (flushed < written).then_some(now) };
        }
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wait_without_progress_is_a_stall() {
        let (start, mut stall) = (Instant::now(), Stall::default());
        let at = |ms| start + Duration::from_millis(ms);
        let steps = [
            // at, written, flushed, lasts
            (0, 10, 10, 0),
            (100, 12, 10, 0),
            (600, 40, 10, 500),
            (700, 40, 20, 0), // slow, but it moves
            (900, 50, 20, 200),
            (1000, 50, 50, 0),
            (9000, 50, 50, 0), // idle
            (9100, 51, 50, 0),
            (9400, 51, 50, 300),
        ];
        for (ms, written, flushed, lasts) in steps {
            assert_eq!(stall.lasts(written, flushed, at(ms)), Duration::from_millis(lasts), "at {ms}");
        }
    }
}
