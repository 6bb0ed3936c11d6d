//! Whether what clients saw of a register could have happened one after the other: linearizability, by the search of
//! Wing and Gong with Lowe's memory of what was tried ("Testing for linearizability", 2017).
//!
//! The register is the stock of one SKU: read at `linearizable`, set, set if it still is what was read.

use std::collections::HashSet;

/// What one client did, when it asked and when it knew. Times are of one clock, in any unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub called: u64,
    /// `None`: nobody knows whether it took effect; it may have, at any time after `called`, or never.
    pub returned: Option<u64>,
    pub action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Read {
        saw: i64,
    },
    Set {
        to: i64,
    },
    CompareAndSet {
        expected: i64,
        to: i64,
        /// `None` when the outcome is not known.
        swapped: Option<bool>,
    },
}

impl Action {
    /// The register afterwards; `None` if what the client saw cannot have come from this value.
    fn step(self, value: i64) -> Option<i64> {
        match self {
            Action::Read { saw } => (saw == value).then_some(value),
            Action::Set { to } => Some(to),
            Action::CompareAndSet { expected, to, swapped } => {
                let swaps = expected == value;
                match swapped {
                    Some(told) if told != swaps => None,
                    _ => Some(if swaps { to } else { value }),
                }
            }
        }
    }
}

/// Whether some order of the operations, in which none takes effect before it was called or after it had returned,
/// explains what every client saw. `initial` is the register before all of them.
pub fn is_linearizable(initial: i64, operations: &[Operation]) -> bool {
    let mut timeline = Timeline::new(operations);
    let mut done = vec![0u64; operations.len().div_ceil(64)];
    let mut tried: HashSet<(Vec<u64>, i64)> = HashSet::new();
    // Operations taken so far, with the value before each.
    let mut taken: Vec<(usize, i64)> = Vec::new();
    let mut value = initial;
    let mut at = timeline.first();
    while let Some(event) = at {
        match timeline.operation(event) {
            // A call: this operation may be the next one.
            (operation, true) => {
                let next = operations[operation].action.step(value).filter(|next| {
                    done[operation / 64] |= 1 << (operation % 64);
                    let is_new = tried.insert((done.clone(), *next));
                    if !is_new {
                        done[operation / 64] &= !(1 << (operation % 64));
                    }
                    is_new
                });
                match next {
                    Some(next) => {
                        taken.push((operation, value));
                        value = next;
                        timeline.take(operation);
                        at = timeline.first();
                    }
                    None => at = timeline.after(event),
                }
            }
            // A return of an operation that was not taken: whatever was taken before must be another.
            (_, false) => {
                let Some((operation, before)) = taken.pop() else { return false };
                done[operation / 64] &= !(1 << (operation % 64));
                value = before;
                timeline.put_back(operation);
                at = timeline.after(Timeline::call(operation));
            }
        }
    }
    true
}

/// Calls and returns in the order of time, as a list from which an operation can be taken and put back. The call of
/// operation `n` is event `2n`, its return `2n + 1`.
struct Timeline {
    next: Vec<usize>,
    previous: Vec<usize>,
}

impl Timeline {
    fn new(operations: &[Operation]) -> Timeline {
        let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(operations.len() * 2);
        for (number, operation) in operations.iter().enumerate() {
            events.push((operation.called, false, Timeline::call(number)));
            events.push((operation.returned.unwrap_or(u64::MAX), true, Timeline::call(number) + 1));
        }
        // At one moment calls come first: those operations overlap.
        events.sort_unstable();
        let head = operations.len() * 2;
        let (mut next, mut previous) = (vec![head; head + 1], vec![head; head + 1]);
        let mut last = head;
        for (_, _, event) in events {
            (next[last], previous[event]) = (event, last);
            last = event;
        }
        (next[last], previous[head]) = (head, last);
        Timeline { next, previous }
    }

    fn call(operation: usize) -> usize {
        operation * 2
    }

    fn head(&self) -> usize {
        self.next.len() - 1
    }

    fn first(&self) -> Option<usize> {
        self.after(self.head())
    }

    fn after(&self, event: usize) -> Option<usize> {
        Some(self.next[event]).filter(|next| *next != self.head())
    }

    /// The operation of an event, and whether it is its call.
    fn operation(&self, event: usize) -> (usize, bool) {
        (event / 2, event.is_multiple_of(2))
    }

    fn take(&mut self, operation: usize) {
        for event in [Timeline::call(operation), Timeline::call(operation) + 1] {
            let (before, after) = (self.previous[event], self.next[event]);
            (self.next[before], self.previous[after]) = (after, before);
        }
    }

    /// Undoes the last [`Timeline::take`] that was not undone.
    fn put_back(&mut self, operation: usize) {
        for event in [Timeline::call(operation) + 1, Timeline::call(operation)] {
            let (before, after) = (self.previous[event], self.next[event]);
            (self.next[before], self.previous[after]) = (event, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Operation, is_linearizable};

    fn operation(called: u64, returned: u64, action: Action) -> Operation {
        Operation { called, returned: Some(returned), action }
    }

    fn read(called: u64, returned: u64, saw: i64) -> Operation {
        operation(called, returned, Action::Read { saw })
    }

    fn set(called: u64, returned: u64, to: i64) -> Operation {
        operation(called, returned, Action::Set { to })
    }

    fn swap(called: u64, returned: u64, expected: i64, to: i64, swapped: bool) -> Operation {
        operation(called, returned, Action::CompareAndSet { expected, to, swapped: Some(swapped) })
    }

    #[test]
    fn one_after_the_other() {
        assert!(is_linearizable(0, &[]));
        assert!(is_linearizable(0, &[read(0, 1, 0), set(2, 3, 5), read(4, 5, 5)]));
        assert!(!is_linearizable(0, &[read(0, 1, 1)]));
    }

    #[test]
    fn a_stale_read_is_found() {
        assert!(!is_linearizable(0, &[set(0, 1, 5), read(2, 3, 0)]));
        // While the set is under way both may be seen, but never the old value after the new one.
        assert!(is_linearizable(0, &[set(0, 10, 5), read(1, 2, 0), read(3, 4, 5)]));
        assert!(!is_linearizable(0, &[set(0, 10, 5), read(1, 2, 5), read(3, 4, 0)]));
    }

    #[test]
    fn compare_and_set_takes_effect_once() {
        assert!(is_linearizable(0, &[swap(0, 5, 0, 1, true), swap(1, 6, 0, 2, false), read(7, 8, 1)]));
        assert!(!is_linearizable(0, &[swap(0, 5, 0, 1, true), swap(1, 6, 0, 2, true)]));
        assert!(!is_linearizable(0, &[swap(0, 1, 0, 1, false)]));
    }

    #[test]
    fn an_unknown_outcome_explains_either() {
        let lost = Operation { called: 0, returned: None, action: Action::Set { to: 7 } };
        assert!(is_linearizable(0, &[lost.clone(), read(1, 2, 0), read(3, 4, 7)]));
        assert!(is_linearizable(0, &[lost.clone(), read(1, 2, 0), read(3, 4, 0)]));
        assert!(!is_linearizable(0, &[lost, read(1, 2, 7), read(3, 4, 0)]));
    }

    /// A register that really is one, observed by overlapping clients, in many histories: each is accepted, and each with
    /// one read replaced by a value that was overwritten before it began is refused.
    #[test]
    fn planted_stale_reads_are_found_in_long_histories() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..50 {
            let (mut history, mut value) = (Vec::new(), 0_i64);
            for point in 1..=400_u64 {
                // Each takes effect at `point * 10` and overlaps its neighbours.
                let (called, returned) = (point * 10 - random(25).min(point * 10), point * 10 + random(25));
                history.push(if random(2) == 0 {
                    value = point as i64;
                    set(called, returned, value)
                } else {
                    read(called, returned, value)
                });
            }
            assert!(is_linearizable(0, &history));
            let planted = history.iter_mut().rev().find_map(|operation| match &mut operation.action {
                Action::Read { saw } if *saw > 100 => Some(saw),
                _ => None,
            });
            // Overwritten at least a hundred points before.
            *planted.unwrap() -= 100;
            assert!(!is_linearizable(0, &history));
        }
    }
}
