//! Time in the log: who says what time it is, and when not to believe them.
//!
//! A leader stamps each command with its clock. Apply clamps: `now = max(stamp, last stamp)`, and keeps the last
//! stamp in the state, so time never runs backwards whoever leads. That makes a clock that runs *ahead* the
//! dangerous one, because everybody is held to it from then on: a leader therefore refuses to stamp when its clock
//! is further ahead of the last stamp than the time it has watched that stamp grow old.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

use crate::{error::SubmitError, types::Stamp};

/// The node's clock and source of randomness; the only ones that reach the log.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch: wall time when the node started, plus monotonic time since.
    fn now_ms(&self) -> u64;

    /// Fresh random bytes.
    fn seed(&self) -> [u8; 16];
}

/// How far ahead of the log a clock may be before its node refuses to stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// With other voters about. The cluster goes on elsewhere, so a doubtful clock has nothing to say.
    pub with_peers: Duration,
    /// For a sole voter. Nobody else could lead, and being switched off looks just like a clock that runs ahead,
    /// so only the absurd is refused.
    pub alone: Duration,
}

impl Default for Skew {
    fn default() -> Self {
        Skew { with_peers: Duration::from_secs(3600), alone: Duration::from_secs(400 * 24 * 3600) }
    }
}

/// Decides whether this node may stamp.
pub(crate) struct Stamper {
    skew: Skew,
    last: Mutex<Last>,
}

struct Last {
    stamp_ms: u64,
    seen: Instant,
    confirmed: bool,
}

impl Stamper {
    /// `last_stamp_ms` is the one in the state, 0 if there is none.
    pub(crate) fn new(skew: Skew, last_stamp_ms: u64) -> Stamper {
        let last = Last { stamp_ms: last_stamp_ms, seen: Instant::now(), confirmed: false };
        Stamper { skew, last: Mutex::new(last) }
    }

    /// Apply reached an entry stamped (after clamping) `stamp_ms`.
    pub(crate) fn observe(&self, stamp_ms: u64) {
        let mut last = self.lock();
        if stamp_ms > last.stamp_ms {
            last.stamp_ms = stamp_ms;
            last.seen = Instant::now();
        }
    }

    /// An operator says that the clock is right. Holds until the node stops.
    pub(crate) fn confirm(&self) {
        self.lock().confirmed = true;
    }

    pub(crate) fn stamp(&self, clock: &dyn Clock, alone: bool) -> Result<Stamp, SubmitError> {
        let now_ms = clock.now_ms();
        let last = self.lock();
        let ahead = Duration::from_millis(now_ms.saturating_sub(last.stamp_ms));
        let allowed = if alone { self.skew.alone } else { self.skew.with_peers };
        if last.stamp_ms > 0 && !last.confirmed && ahead > allowed + last.seen.elapsed() {
            return Err(SubmitError::ClockAhead { ahead });
        }
        Ok(Stamp { now_ms, seed: clock.seed() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Last> {
        // Three plain fields: a panic elsewhere cannot have left them half written.
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Manual(AtomicU64);

    impl Clock for Manual {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
        fn seed(&self) -> [u8; 16] {
            [3; 16]
        }
    }

    const HOUR_MS: u64 = 3_600_000;

    fn check(last_stamp_ms: u64, now_ms: u64, alone: bool, accepted: bool) {
        let stamper = Stamper::new(Skew::default(), last_stamp_ms);
        let got = stamper.stamp(&Manual(AtomicU64::new(now_ms)), alone);
        assert_eq!(got.is_ok(), accepted, "last {last_stamp_ms} now {now_ms} alone {alone}: {got:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_far_ahead_is_refused() {
        let t = 1_000 * HOUR_MS;
        check(0, t, false, true); // the first entry of all
        check(t, t + HOUR_MS, false, true);
        check(t, t + HOUR_MS + 1, false, false);
        check(t, t - HOUR_MS, false, true); // behind: apply clamps
        check(t, t + 48 * HOUR_MS, true, true); // a sole voter that was off for two days
        check(t, t + 401 * 24 * HOUR_MS, true, false);
    }

    #[tokio::test(start_paused = true)]
    async fn uptime_and_confirmation_explain_a_gap() {
        let t = 1_000 * HOUR_MS;
        let clock = Manual(AtomicU64::new(t + 3 * HOUR_MS));
        let stamper = Stamper::new(Skew::default(), t);
        assert!(matches!(stamper.stamp(&clock, false), Err(SubmitError::ClockAhead { .. })));
        tokio::time::advance(Duration::from_secs(2 * 3600)).await;
        assert!(stamper.stamp(&clock, false).is_ok());
        clock.0.store(t + 9 * HOUR_MS, Ordering::Relaxed);
        assert!(stamper.stamp(&clock, false).is_err());
        stamper.confirm();
        assert!(stamper.stamp(&clock, false).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_stamp_restarts_the_count() {
        let t = 1_000 * HOUR_MS;
        let stamper = Stamper::new(Skew::default(), t);
        tokio::time::advance(Duration::from_secs(10 * 3600)).await;
        stamper.observe(t + 1);
        assert!(stamper.stamp(&Manual(AtomicU64::new(t + 5 * HOUR_MS)), false).is_err());
    }
}
