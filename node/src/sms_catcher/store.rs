//! The texts that were caught, newest last, and the faults that wait.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Texts kept; the oldest go first.
const MAX_TEXTS: usize = 1_000;
const MAX_FAULTS: usize = 1_000;

/// One text message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// 1, 2, 3… in the order of arrival, over everything that ever came.
    pub number: u64,
    /// The number, or the messaging service, that it is from.
    pub from: String,
    pub to: String,
    pub body: String,
    /// Seconds since 1970.
    #[serde(skip)]
    pub at_s: i64,
}

/// What goes wrong with a text message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// It is refused for good, like a number that nobody has.
    Refuse,
    /// 429 with `Retry-After`, and it is not taken.
    RateLimit,
    /// The connection breaks, and it is not taken.
    DropBefore,
    /// It is taken, and the connection breaks.
    DropAfter,
    /// It is taken, and the answer is 500.
    ErrorAfter,
    /// It is taken, and the answer comes late.
    Slow { delay_ms: u64 },
}

#[derive(Default)]
pub(super) struct Store(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    texts: VecDeque<Text>,
    caught: u64,
    faults: VecDeque<Fault>,
}

impl Store {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a text message and gives it as it is kept.
    pub(super) fn put(&self, from: String, to: String, body: String, at_s: i64) -> Text {
        let mut kept = self.kept();
        kept.caught += 1;
        let text = Text { number: kept.caught, from, to, body, at_s };
        kept.texts.push_back(text.clone());
        if kept.texts.len() > MAX_TEXTS {
            kept.texts.pop_front();
        }
        text
    }

    pub(super) fn texts(&self) -> Vec<Text> {
        self.kept().texts.iter().cloned().collect()
    }

    pub(super) fn add_fault(&self, fault: Fault, times: usize) {
        let mut kept = self.kept();
        let free = MAX_FAULTS.saturating_sub(kept.faults.len());
        kept.faults.extend(std::iter::repeat_n(fault, times.min(free)));
    }

    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.kept().faults.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, MAX_FAULTS, MAX_TEXTS, Store};

    #[test]
    fn the_oldest_go_first_and_faults_are_bounded() {
        let store = Store::default();
        for _ in 0..MAX_TEXTS + 5 {
            store.put(String::new(), String::new(), String::new(), 0);
        }
        let texts = store.texts();
        assert_eq!((texts.len(), texts[0].number), (MAX_TEXTS, 6));
        store.add_fault(Fault::Refuse, usize::MAX);
        store.add_fault(Fault::Refuse, 1);
        assert_eq!(std::iter::from_fn(|| store.take_fault()).count(), MAX_FAULTS);
    }
}
