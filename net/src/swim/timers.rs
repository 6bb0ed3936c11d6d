//! What foca wants to be reminded of.

use std::{collections::BTreeMap, time::Duration};

use foca::Timer;
use tokio::time::Instant;

use super::identity::Identity;

/// In order of time, and of arrival within one instant. foca sets a bounded number for each member.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeMap<(Instant, u64), Timer<Identity>>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, after: Duration, timer: Timer<Identity>) {
        // A time that the clock cannot express never comes.
        let Some(at) = Instant::now().checked_add(after) else { return };
        self.set += 1;
        self.due.insert((at, self.set), timer);
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next one, if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Timer<Identity>> {
        let entry = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
