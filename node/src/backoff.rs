//! How long to wait before something that failed is tried again.

use std::time::Duration;

use crate::clock;

/// Doubles from `min` to `max` with the number of failures, and takes a random half of it off, so that what failed
/// together does not come back together.
pub fn delay(failures: u32, min: Duration, max: Duration) -> Duration {
    let full = min.saturating_mul(1u32 << failures.saturating_sub(1).min(20)).min(max);
    // Without randomness the whole delay is as good: only politeness is lost.
    let share = clock::random::<1>().map_or(255, |[byte]| u32::from(byte));
    full / 2 + full / 2 * share / 255
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::delay;

    #[test]
    fn it_doubles_within_its_bounds() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(10));
        for (failures, full) in [(1, 100), (2, 200), (4, 800), (30, 10_000), (u32::MAX, 10_000)] {
            let full = Duration::from_millis(full);
            let chosen = delay(failures, min, max);
            assert!(chosen >= full / 2 && chosen <= full, "{failures}: {chosen:?}");
        }
    }
}
