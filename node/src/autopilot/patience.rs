//! Since when a member has been well, or silent. It is the leader's memory: a new leader begins anew.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::NodeId;
use tokio::time::Instant;

/// What is remembered of each member.
#[derive(Debug, Default)]
pub struct Patience {
    well_since: BTreeMap<NodeId, Instant>,
    silent_since: BTreeMap<NodeId, Instant>,
}

impl Patience {
    /// Notes how `id` is now; returns for how long it has been well, and for how long silent.
    pub fn note(&mut self, id: NodeId, answers: bool, caught_up: bool, now: Instant) -> (Duration, Duration) {
        let well = since(&mut self.well_since, id, answers && caught_up, now);
        let silent = since(&mut self.silent_since, id, !answers, now);
        (well, silent)
    }

    /// This node leads no more.
    pub fn forget(&mut self) {
        *self = Patience::default();
    }

    /// Forgets all but these.
    pub fn keep(&mut self, known: impl Fn(NodeId) -> bool) {
        self.well_since.retain(|id, _| known(*id));
        self.silent_since.retain(|id, _| known(*id));
    }
}

fn since(times: &mut BTreeMap<NodeId, Instant>, id: NodeId, holds: bool, now: Instant) -> Duration {
    if !holds {
        times.remove(&id);
        return Duration::ZERO;
    }
    now.saturating_duration_since(*times.entry(id).or_insert(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lapse_starts_the_count_anew() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        let ms = Duration::from_millis;
        let mut note = |at, answers, caught_up| {
            let (well, silent) = patience.note(2, answers, caught_up, start + ms(at));
            (well.as_millis(), silent.as_millis())
        };
        assert_eq!(note(0, true, true), (0, 0));
        assert_eq!(note(500, true, true), (500, 0));
        assert_eq!(note(600, true, false), (0, 0));
        assert_eq!(note(700, true, true), (0, 0));
        assert_eq!(note(900, false, true), (0, 0));
        assert_eq!(note(2_900, false, false), (0, 2_000));
        assert_eq!(note(3_000, true, true), (0, 0));
    }
}
