//! A leader whose disk stalls, or is slower than another's for long, is a bad leader: it gives the lead to one that can write.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep};

use crate::launch::Inner;

/// How often the log's progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// After stepping aside, or failing to, a leader tries to make do with its disk for this long.
const PAUSE: Duration = Duration::from_secs(30);

/// Bounds one attempt.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// While this node leads: hands over when no append has become durable here for `limit` although one waits, or when most
/// of the time one has waited for a tenth of that and is durable on another voter meanwhile.
///
/// The others may commit without this node's disk, so what it has accepted is not lost by that; but a group of two
/// waits for it, and so does a group of three of which one is away.
pub(crate) async fn step_aside_when_the_disk_stalls(inner: Arc<Inner>, limit: Duration) {
    let (mut stall, mut race) = (Stall::default(), Race::default());
    loop {
        sleep(LOOK_EVERY).await;
        if !inner.raft.is_leader() {
            (stall, race) = (Stall::default(), Race::default());
            continue;
        }
        let written = inner.raft.metrics().borrow_watched().last_log_index.unwrap_or(0);
        let flushed = inner.raft.watch_log_progress().get().and_then(|point| point.last_log_id);
        let flushed = flushed.map_or(0, |id| id.index);
        let (now, elsewhere) = (Instant::now(), inner.durable_elsewhere());
        let stalls = stall.lasts(written, flushed, now) >= limit;
        let is_slow = race.is_lost(written, flushed, elsewhere, now, limit / 10);
        if !stalls && !is_slow {
            continue;
        }
        tracing::warn!(
            written,
            flushed,
            elsewhere,
            stalls,
            "the disk under the log is slow; looking for another leader"
        );
        match inner.hand_over(Instant::now() + HAND_OVER_LIMIT).await {
            Ok(leader) => tracing::warn!(leader, "stepped aside because the disk is slow"),
            Err(error) => tracing::warn!(error = %error, "cannot step aside"),
        }
        sleep(PAUSE).await;
        (stall, race) = (Stall::default(), Race::default());
    }
}

impl Inner {
    /// How far the log of the voter goes that has most of it beside this one, as it has confirmed.
    fn durable_elsewhere(&self) -> u64 {
        let Ok(standing) = self.standing() else { return 0 };
        let others = standing.voters.iter().filter(|id| **id != self.config.node);
        others.filter_map(|id| standing.members.get(id)).map(|member| member.matched_index).max().unwrap_or(0)
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

/// This node's disk against the best of the others.
#[derive(Debug, Default)]
struct Race {
    /// What waits here, and since when: the log's end at each look that saw it moved.
    waiting: VecDeque<(Instant, u64)>,
    /// A bit for each of the last looks: whether this disk was late then and another one was not.
    lost: u128,
}

impl Race {
    /// Late looks among the last 128, some 13 s, that are too many: one hiccup is not.
    const MOST_LOST: u32 = 64;

    fn is_lost(&mut self, written: u64, flushed: u64, elsewhere: u64, now: Instant, late: Duration) -> bool {
        while self.waiting.front().is_some_and(|(_, end)| *end <= flushed) {
            self.waiting.pop_front();
        }
        let is_new = self.waiting.back().map_or(written > flushed, |(_, end)| *end < written);
        if is_new && self.waiting.len() < 128 {
            self.waiting.push_back((now, written));
        }
        let is_late = |(since, end): &(Instant, u64)| *end <= elsewhere && now.duration_since(*since) >= late;
        self.lost = self.lost << 1 | u128::from(self.waiting.front().is_some_and(is_late));
        self.lost.count_ones() >= Self::MOST_LOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for twenty seconds at a log that grows by one entry each look, is durable here `behind` looks later, and elsewhere
    /// `elsewhere` looks later.
    fn race(behind: u64, elsewhere: u64) -> bool {
        let (start, mut race) = (Instant::now(), Race::default());
        (1..=200_u64).any(|look| {
            let now = start + LOOK_EVERY * look as u32;
            let (flushed, there) = (look.saturating_sub(behind), look.saturating_sub(elsewhere));
            race.is_lost(look, flushed, there, now, Duration::from_millis(200))
        })
    }

    #[test]
    fn only_a_disk_that_is_late_where_another_is_not_loses() {
        assert!(race(5, 1));
        assert!(!race(1, 1), "both are fast");
        assert!(!race(5, 5), "both are slow: another leader would be none the better");
        assert!(!race(2, 1), "slower, and soon enough");
    }

    #[test]
    fn a_hiccup_is_forgotten_and_what_waits_is_bounded() {
        let (start, mut race) = (Instant::now(), Race::default());
        for look in 1..=1_000_u64 {
            let now = start + LOOK_EVERY * look as u32;
            let flushed = if look % 100 < 30 { look - look % 100 } else { look };
            assert!(!race.is_lost(look, flushed, look, now, Duration::from_millis(200)), "at {look}");
        }
        for look in 1_001..=2_000_u64 {
            race.is_lost(look, 1_000, 0, start + LOOK_EVERY * look as u32, Duration::from_millis(200));
        }
        assert!(race.waiting.len() <= 128);
    }

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
