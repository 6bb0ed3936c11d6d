//! Whether a clock can be believed, judged by the others. Plain values, so that it can be tried with any clocks.
//!
//! A clock that is asked over a network is known to half of the round trip (Cristian, "Probabilistic clock
//! synchronization", 1989): it said what it said at some moment between question and answer. The median is right as long as most clocks
//! are, however wrong the others.

use net::NodeId;

/// A clock this far from the median of all is wrong.
pub const MOST_OFFSET_MS: u64 = 5_000;
/// With fewer, this node's own included, nobody can say who is wrong.
pub const FEWEST_CLOCKS: usize = 3;

/// What one question for another clock has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub node: NodeId,
    /// How far that clock is ahead of this node's.
    pub ahead_ms: i64,
    /// By how much that can be wrong, in either direction.
    pub error_ms: u64,
}

impl Reading {
    /// The clock of `node` said `told_ms`, and when its answer was there this node's said `now_ms`, `round_trip_ms` after it
    /// had asked.
    pub fn new(node: NodeId, told_ms: u64, now_ms: u64, round_trip_ms: u64) -> Reading {
        // Rounded up: milliseconds that were cut off count as error.
        let error_ms = round_trip_ms / 2 + 1;
        let ahead_ms = told_ms.saturating_add(round_trip_ms / 2) as i128 - now_ms as i128;
        let ahead_ms = ahead_ms.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Reading { node, ahead_ms, error_ms }
    }
}

/// What the clocks say of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How far this node's clock is ahead of the median of all.
    pub ahead_ms: i64,
    /// Whether that is too far, whatever the errors are.
    pub is_wrong: bool,
    /// Whose clocks are certainly not, nearest to the median first.
    pub right: Vec<NodeId>,
}

/// Judges this node's clock by its readings of the others'. `None` with too few.
pub fn judge(readings: &[Reading]) -> Option<Verdict> {
    let mut offsets: Vec<i64> = readings.iter().map(|reading| reading.ahead_ms).chain([0]).collect();
    if offsets.len() < FEWEST_CLOCKS {
        return None;
    }
    offsets.sort_unstable();
    let (low, high) = (offsets[(offsets.len() - 1) / 2], offsets[offsets.len() / 2]);
    let median = low.midpoint(high);
    // The median is a reading, or between two: it is no worse than the worst of them.
    let error_ms = readings.iter().map(|reading| reading.error_ms).max().unwrap_or(0);
    let from_median = |offset: i64| offset.abs_diff(median);
    let is_right = |reading: &&Reading| {
        from_median(reading.ahead_ms).saturating_add(reading.error_ms + error_ms) <= MOST_OFFSET_MS
    };
    let mut right: Vec<&Reading> = readings.iter().filter(is_right).collect();
    right.sort_by_key(|reading| from_median(reading.ahead_ms));
    Some(Verdict {
        ahead_ms: median.saturating_neg(),
        is_wrong: from_median(0) > MOST_OFFSET_MS.saturating_add(error_ms),
        right: right.into_iter().map(|reading| reading.node).collect(),
    })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::{Reading, Verdict, judge};

    fn reading(node: u64, ahead_ms: i64) -> Reading {
        Reading { node, ahead_ms, error_ms: 1 }
    }

    fn verdict(ahead: &[i64]) -> Option<Verdict> {
        let readings: Vec<Reading> = (2..).zip(ahead).map(|(node, ahead)| reading(node, *ahead)).collect();
        judge(&readings)
    }

    #[test]
    fn a_reading_is_known_to_half_of_the_round_trip() {
        let expect = Reading { node: 2, ahead_ms: 150, error_ms: 51 };
        assert_eq!(Reading::new(2, 1_100, 1_000, 100), expect);
        assert_eq!(Reading::new(2, 0, u64::MAX, 0).ahead_ms, i64::MIN);
    }

    #[test]
    fn fewer_than_three_clocks_say_nothing() {
        assert_eq!(verdict(&[]), None);
        assert_eq!(verdict(&[1_000_000]), None);
        assert!(verdict(&[1_000_000, 1_000_000]).is_some());
    }

    #[test]
    fn the_majority_is_right() {
        let check = |ahead: &[i64], own_ahead: i64, is_wrong: bool, right: &[u64]| {
            let expect = Verdict { ahead_ms: own_ahead, is_wrong, right: right.to_vec() };
            assert_eq!(verdict(ahead), Some(expect), "{ahead:?}");
        };
        check(&[0, 0], 0, false, &[2, 3]);
        check(&[-20_000, -20_000], 20_000, true, &[2, 3]);
        check(&[20_000, 20_010], -20_000, true, &[2, 3]);
        // Somebody else is wrong: that is not this node's matter, but nobody to hand over to.
        check(&[0, 90_000], 0, false, &[2]);
        check(&[-6_000, 6_000], 0, false, &[]);
        // At the bound, and behind it by more than a reading can be wrong.
        check(&[5_000, 5_000], -5_000, false, &[2, 3]);
        check(&[5_001, 5_001], -5_001, false, &[2, 3]);
        check(&[5_002, 5_002], -5_002, true, &[2, 3]);
        // Of four the middle of the two in the middle.
        check(&[4_000, 8_000, 8_000], -6_000, true, &[2, 3, 4]);
        check(&[-10, -30_000, -30_000, -30_020], 30_000, true, &[3, 4, 5]);
        check(&[i64::MIN, i64::MAX], 0, false, &[]);
    }

    #[test]
    fn a_right_clock_is_never_called_wrong_and_a_wrong_one_always_by_any_network() {
        for seed in 0..300 {
            let mut random = StdRng::seed_from_u64(seed);
            let clocks = random.random_range(3..=7u64);
            let wrong = random.random_range(0..=(clocks - 1) / 2);
            // The true time, and each node's clock: most within a second of it, some far off.
            let now: i64 = 1_700_000_000_000;
            let mut offsets: Vec<i64> = (0..clocks).map(|_| random.random_range(-1_000..=1_000)).collect();
            for offset in offsets.iter_mut().take(wrong as usize) {
                let far = random.random_range(10_000..10_000_000);
                *offset = if random.random() { far } else { -far };
            }
            for (own, own_offset) in offsets.iter().enumerate() {
                let others = (1u64..).zip(&offsets).filter(|(node, _)| *node as usize != own + 1);
                let readings: Vec<Reading> = others
                    .map(|(node, offset)| {
                        // Way there and back take as long as they like.
                        let (there, back) = (random.random_range(0..400), random.random_range(0..400));
                        let told = now + there + offset;
                        let here = now + there + back + own_offset;
                        Reading::new(node, told as u64, here as u64, (there + back) as u64)
                    })
                    .collect();
                for (reading, offset) in
                    readings.iter().map(|reading| (reading, offsets[reading.node as usize - 1] - own_offset))
                {
                    assert!(
                        reading.ahead_ms.abs_diff(offset) <= reading.error_ms,
                        "seed {seed}: {reading:?}"
                    );
                }
                let verdict = judge(&readings).unwrap();
                let is_off = own < wrong as usize;
                assert_eq!(verdict.is_wrong, is_off, "seed {seed}: {offsets:?} {readings:?} {verdict:?}");
                assert!(verdict.right.iter().all(|node| *node > wrong), "seed {seed}: {verdict:?}");
            }
        }
    }
}
