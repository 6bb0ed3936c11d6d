//! The only wall clock and the only source of randomness.
//!
//! Everything else takes its time from log entries, or measures with the monotonic clock. The clock that stamps them is
//! wall time at start plus monotonic time: a step of the wall clock never steps the log.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use shop::Timestamp;
use shop::ids::RequestId;

/// The operating system gave no randomness. Nothing that needs an unguessable value can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

/// Milliseconds since the Unix epoch, as they were at start, plus what the monotonic clock has measured since.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started_at_ms: u64,
    started: Instant,
}

impl SystemClock {
    /// Reads the wall clock, this once.
    pub fn start() -> SystemClock {
        SystemClock { started_at_ms: wall_ms(), started: Instant::now() }
    }

    /// One that is wrong by so much.
    #[cfg(test)]
    pub(crate) fn ahead_by(ahead_ms: i64) -> SystemClock {
        let right = SystemClock::start();
        SystemClock { started_at_ms: right.started_at_ms.saturating_add_signed(ahead_ms), ..right }
    }

    /// Never goes back.
    pub fn now_ms(&self) -> u64 {
        self.started_at_ms.saturating_add(self.started.elapsed().as_millis() as u64)
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms())
    }
}

impl raft::Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemClock::now_ms(self)
    }

    /// Ends the process when there is no randomness: ids from a made-up seed would collide, and they are for ever.
    fn seed(&self) -> [u8; 16] {
        random().unwrap_or_else(|error| {
            tracing::error!(%error, "node must stop");
            std::process::abort()
        })
    }
}

/// `N` unguessable bytes.
///
/// # Errors
/// When the operating system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A request id of its own: a UUIDv7 (RFC 9562), which sorts by time.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn fresh_request_id(clock: &SystemClock) -> Result<RequestId, NoRandomness> {
    let mut bytes = random::<16>()?;
    bytes[..6].copy_from_slice(&clock.now_ms().to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Ok(RequestId(bytes))
}

/// The wall clock's time for a log line (RFC 3339): logs are compared with those of other machines.
pub(crate) fn wall_text() -> String {
    Timestamp::from_millis(wall_ms()).to_string()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::{SystemClock, fresh_request_id, random, wall_text};

    #[test]
    fn the_clock_never_goes_back() {
        let clock = SystemClock::start();
        let mut last = clock.now_ms();
        for _ in 0..1000 {
            let now = clock.now_ms();
            assert!(now >= last);
            last = now;
        }
        // A clock in seconds or nanoseconds would be far outside of this century.
        assert!(wall_text().starts_with("20"));
    }

    #[test]
    fn request_ids_are_fresh_and_in_form() {
        let clock = SystemClock::start();
        let first = fresh_request_id(&clock).unwrap();
        let second = fresh_request_id(&clock).unwrap();
        assert_ne!(first, second);
        assert_eq!(first.0[6] >> 4, 7);
        assert_eq!(first.0[8] >> 6, 2);
        assert_ne!(random::<32>().unwrap(), [0; 32]);
    }
}
