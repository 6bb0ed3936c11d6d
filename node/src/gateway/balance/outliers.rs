//! Nodes that were asked in vain, set aside for a while: so many failures in a row, a time that doubles, and never more
//! than half of those that there are (after Envoy's outlier detection). A node that comes back is on probation: one
//! failure sets it aside again.

use std::collections::BTreeMap;
use std::time::Duration;

use net::NodeId;
use tokio::time::Instant;

/// Times in a row that the time doubles.
const MOST_DOUBLINGS: u32 = 5;

pub(super) struct Outliers {
    failures_allowed: u32,
    first_time: Duration,
    nodes: BTreeMap<NodeId, Record>,
}

#[derive(Default)]
struct Record {
    /// Reads that it has been asked and has not answered yet.
    asked: u32,
    failures: u32,
    /// Times that it was set aside, until it has done well again.
    times: u32,
    aside_until: Option<Instant>,
}

impl Outliers {
    /// After `failures` in a row a node is set aside, at first for `first_time`.
    pub(super) fn new(failures: u32, first_time: Duration) -> Outliers {
        Outliers { failures_allowed: failures.max(1), first_time, nodes: BTreeMap::new() }
    }

    /// Forgets nodes that are no members any more.
    pub(super) fn keep(&mut self, is_member: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|node, _| is_member(*node));
    }

    pub(super) fn is_aside(&self, node: NodeId, now: Instant) -> bool {
        self.nodes.get(&node).is_some_and(|record| record.is_aside(now))
    }

    pub(super) fn count_aside(&self, now: Instant) -> usize {
        self.nodes.values().filter(|record| record.is_aside(now)).count()
    }

    /// What this node alone has under way at `node`, in thousandths of what a node takes at once: it has not told of it yet.
    pub(super) fn asked_per_mille(&self, node: NodeId) -> u32 {
        let asked = self.nodes.get(&node).map_or(0, |record| record.asked);
        asked.saturating_mul(1_000) / crate::gateway::REQUESTS_AT_ONCE as u32
    }

    pub(super) fn asked(&mut self, node: NodeId) {
        self.nodes.entry(node).or_default().asked += 1;
    }

    /// A read that was asked has ended, however it did.
    pub(super) fn ended(&mut self, node: NodeId) {
        let record = self.nodes.entry(node).or_default();
        record.asked = record.asked.saturating_sub(1);
    }

    pub(super) fn succeeded(&mut self, node: NodeId, now: Instant) {
        let time = |record: &Record| self.first_time * (1 << record.times.saturating_sub(1));
        let Some(record) = self.nodes.get(&node) else { return };
        // As long in order as it was set aside for last: what it did before is forgotten.
        let is_well = record.aside_until.is_some_and(|until| now >= until + time(record));
        let Some(record) = self.nodes.get_mut(&node) else { return };
        record.failures = 0;
        if is_well {
            (record.times, record.aside_until) = (0, None);
        }
    }

    /// Notes a failure of one of `peers` other nodes; returns for how long it is set aside, if it is now.
    pub(super) fn failed(&mut self, node: NodeId, peers: usize, now: Instant) -> Option<Duration> {
        let aside = self.count_aside(now);
        let (allowed, first_time) = (self.failures_allowed, self.first_time);
        let record = self.nodes.entry(node).or_default();
        if record.is_aside(now) {
            // Asked before it was set aside.
            return None;
        }
        record.failures = record.failures.saturating_add(1);
        let patience = if record.aside_until.is_some() { 1 } else { allowed };
        if record.failures < patience || aside >= (peers / 2).max(1) {
            return None;
        }
        let time = first_time * (1 << record.times.min(MOST_DOUBLINGS));
        record.times = (record.times + 1).min(MOST_DOUBLINGS + 1);
        (record.failures, record.aside_until) = (0, Some(now + time));
        Some(time)
    }
}

impl Record {
    fn is_aside(&self, now: Instant) -> bool {
        self.aside_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tokio::time::Instant;

    use super::Outliers;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_in_a_row_set_aside_and_the_time_grows_to_a_bound() {
        let (mut outliers, mut now) = (Outliers::new(3, SECOND), Instant::now());
        assert_eq!((outliers.failed(1, 4, now), outliers.failed(1, 4, now)), (None, None));
        outliers.succeeded(1, now);
        assert_eq!((outliers.failed(1, 4, now), outliers.failed(1, 4, now)), (None, None), "not in a row");
        for times in [1, 2, 4, 8, 16, 32, 32, 32] {
            // On probation one is enough.
            assert_eq!(outliers.failed(1, 4, now), Some(SECOND * times));
            assert!(outliers.is_aside(1, now) && !outliers.is_aside(2, now));
            assert_eq!(outliers.failed(1, 4, now), None, "an answer to an earlier question");
            now += SECOND * times;
            assert!(!outliers.is_aside(1, now));
        }
    }

    #[test]
    fn who_has_done_well_begins_anew() {
        let (mut outliers, mut now) = (Outliers::new(1, SECOND), Instant::now());
        assert_eq!(outliers.failed(1, 4, now), Some(SECOND));
        now += SECOND;
        assert_eq!(outliers.failed(1, 4, now), Some(SECOND * 2));
        now += SECOND * 2;
        outliers.succeeded(1, now);
        assert_eq!(outliers.failed(1, 4, now), Some(SECOND * 4), "it was well for a moment only");
        now += SECOND * 8;
        outliers.succeeded(1, now);
        assert_eq!(outliers.failed(1, 4, now), Some(SECOND));
    }

    #[test]
    fn never_more_than_half_are_aside_whatever_happens() {
        for seed in 0..50 {
            let mut random = StdRng::seed_from_u64(seed);
            let peers = random.random_range(1..=6);
            let (mut outliers, mut now, mut seen) = (Outliers::new(2, SECOND), Instant::now(), 0);
            for _ in 0..2_000 {
                let node = random.random_range(1..=peers as u64);
                match random.random_range(0..4) {
                    0 => outliers.succeeded(node, now),
                    1 => now += Duration::from_millis(random.random_range(0..500)),
                    _ => drop(outliers.failed(node, peers, now)),
                }
                let aside = outliers.count_aside(now);
                seen = seen.max(aside);
                assert!(aside <= (peers / 2).max(1), "seed {seed}: {aside} of {peers}");
            }
            assert_eq!(seen, (peers / 2).max(1), "seed {seed}: the bound was never reached");
        }
    }

    #[test]
    fn what_is_under_way_counts_as_load() {
        let mut outliers = Outliers::new(1, SECOND);
        (0..512).for_each(|_| outliers.asked(1));
        assert_eq!((outliers.asked_per_mille(1), outliers.asked_per_mille(2)), (500, 0));
        (0..600).for_each(|_| outliers.ended(1));
        assert_eq!(outliers.asked_per_mille(1), 0);
        outliers.keep(|node| node != 1);
        assert!(outliers.nodes.is_empty());
    }
}
