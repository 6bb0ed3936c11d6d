//! How long a connection may go on without a request: each has a place that others wait for.
//!
//! It is not what comes in that counts, or a peer could stay by sending pings or half a head, but requests: a connection has
//! `first` until its first one, and `idle` after each answer. While one is served there is no hurry, up to the time in which
//! each is answered. A peer that still takes its answer, however large, may finish, unless it is slower than [`BYTE`] allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What one byte that a peer takes is worth, in time.
const BYTE: Duration = Duration::from_millis(1);

/// The times of a connection.
#[derive(Debug, Clone, Copy)]
pub struct IdleLimits {
    /// Until the first request.
    pub first: Duration,
    /// From an answer to the next request.
    pub idle: Duration,
    /// From a request to its answer.
    pub answer: Duration,
}

/// One connection's time. Shared by who serves its requests, who writes to it, and who ends it.
#[derive(Debug)]
pub struct IdleTimer(Mutex<Time>);

impl IdleTimer {
    pub fn start(limits: IdleLimits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Time::start(limits, Instant::now()))))
    }

    /// Stops the time until what is returned goes away.
    pub fn serving(self: &Arc<Self>) -> Serving {
        self.time().begin(Instant::now());
        Serving(Arc::clone(self))
    }

    /// At least so much from now on.
    pub fn allow(&self, time: Duration) {
        self.time().allow(Instant::now(), time);
    }

    /// The peer has taken so many bytes.
    pub fn wrote(&self, bytes: usize) {
        self.time().wrote(Instant::now(), bytes);
    }

    /// Waits for the end of the time.
    pub async fn over(&self) {
        loop {
            let Some(at) = self.time().look_again(Instant::now()) else { return };
            tokio::time::sleep_until(at).await;
        }
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request is being served.
#[derive(Debug)]
pub struct Serving(Arc<IdleTimer>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.time().end(Instant::now());
    }
}

#[derive(Debug)]
struct Time {
    limits: IdleLimits,
    under_way: usize,
    /// The end, if no request is under way.
    until: Instant,
    /// The end, even if one is: each is answered by then, and this does not rely on it.
    at_last: Instant,
}

impl Time {
    fn start(limits: IdleLimits, now: Instant) -> Self {
        let until = now + limits.first;
        Self { limits, under_way: 0, until, at_last: until }
    }

    fn begin(&mut self, now: Instant) {
        self.under_way += 1;
        self.at_last = now + self.limits.answer + self.limits.idle;
    }

    fn end(&mut self, now: Instant) {
        self.under_way -= 1;
        self.allow(now, self.limits.idle);
    }

    fn allow(&mut self, now: Instant, time: Duration) {
        self.until = self.until.max(now + time);
    }

    fn wrote(&mut self, now: Instant, bytes: usize) {
        let bought = BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        let left = self.until.saturating_duration_since(now);
        self.allow(now, (left + bought).min(self.limits.idle));
    }

    /// When to look again; nothing if the time is over.
    fn look_again(&self, now: Instant) -> Option<Instant> {
        let end = if self.under_way > 0 { self.until.max(self.at_last) } else { self.until };
        // Not later than the shortest time that a request which ends meanwhile leaves.
        (end > now).then(|| end.min(now + self.limits.idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: IdleLimits = IdleLimits { first: seconds(10), idle: seconds(75), answer: seconds(30) };

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A connection and the moment of its beginning.
    fn connection() -> (Time, Instant) {
        let start = Instant::now();
        (Time::start(LIMITS, start), start)
    }

    /// Checks that the time is over at `end` and not before it.
    fn check(time: &Time, end: Instant) {
        assert!(time.look_again(end - Duration::from_millis(1)).is_some(), "it ended early");
        assert_eq!(time.look_again(end), None, "it goes on");
    }

    #[test]
    fn a_connection_without_a_request_has_the_time_of_a_head() {
        let (time, start) = connection();
        check(&time, start + LIMITS.first);
    }

    #[test]
    fn the_time_stands_while_a_request_is_served_and_begins_with_the_last_answer() {
        let (mut time, start) = connection();
        time.begin(start + seconds(5));
        time.begin(start + seconds(8));
        time.end(start + seconds(20));
        assert!(time.look_again(start + seconds(37)).is_some(), "one is still under way");
        time.end(start + seconds(37));
        check(&time, start + seconds(37) + LIMITS.idle);
    }

    #[test]
    fn an_end_that_comes_between_two_looks_is_not_missed() {
        let (mut time, start) = connection();
        time.begin(start);
        let look = time.look_again(start).unwrap();
        time.end(start);
        assert_eq!(time.look_again(look), None);
    }

    #[test]
    fn a_request_that_is_never_answered_is_no_reason_to_stay() {
        let (mut time, start) = connection();
        time.begin(start);
        check(&time, start + LIMITS.answer + LIMITS.idle);
    }

    #[test]
    fn a_peer_that_takes_its_answer_may_finish() {
        let (mut time, start) = connection();
        time.begin(start);
        time.end(start);
        for second in 1..=1_000 {
            time.wrote(start + seconds(second), 2_000);
        }
        check(&time, start + seconds(1_000) + LIMITS.idle);
    }

    #[test]
    fn a_few_bytes_now_and_then_are_no_reason_to_stay() {
        let (mut time, start) = connection();
        time.begin(start);
        time.end(start);
        // Answers to pings, one a second.
        for second in 1..=75 {
            time.wrote(start + seconds(second), 17);
        }
        assert_eq!(time.look_again(start + seconds(77)), None);
    }
}
