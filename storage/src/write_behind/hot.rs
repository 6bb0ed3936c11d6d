//! Values as the engine beneath has them, for those that are read again and again: a hash and a lock instead of a walk
//! down a tree of pages.
//!
//! What is kept must never be older than what is beneath. A value that was read may have been replaced before it is
//! kept, so whoever reads has a [`Ticket`] from before the read, and what was read is kept only if no generation has
//! arrived beneath since. A generation that arrives first voids all tickets, then replaces what is kept of its keys; only
//! after that it leaves the pending changes, which are looked at before this is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::Raw;

use super::pending::Changes;

/// The memory that is taken, in bytes, roughly.
const LIMIT_BYTES: usize = 32 << 20;
/// Locks, so that readers on many threads seldom meet.
const SHARDS: usize = 16;
/// What an entry costs beside its bytes: two fat pointers, two counters each, and its share of the table.
const ENTRY_BYTES: usize = 80;

/// What is known of a key.
pub(super) enum Lookup {
    Kept(Raw),
    /// Ask the engine, and [`keep`](Hot::keep) what it says.
    Ask(Ticket),
}

/// Proof of when a read began.
pub(super) struct Ticket {
    shard: usize,
    arrivals: u64,
}

pub(super) struct Hot {
    shards: Vec<Mutex<Shard>>,
    shard_bytes: usize,
    hasher: RandomState,
}

/// Two halves instead of a list in order of use: what is used moves into the recent one, and when that is full the
/// earlier one goes.
#[derive(Default)]
struct Shard {
    recent: HashMap<Raw, Raw>,
    recent_bytes: usize,
    earlier: HashMap<Raw, Raw>,
    /// How many generations have arrived beneath.
    arrivals: u64,
}

impl Default for Hot {
    fn default() -> Hot {
        Hot::limited_to(LIMIT_BYTES)
    }
}

impl Hot {
    fn limited_to(bytes: usize) -> Hot {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Hot { shards, shard_bytes: bytes / SHARDS, hasher: RandomState::new() }
    }

    pub(super) fn get(&self, key: &[u8]) -> Lookup {
        let at = self.place(key);
        let mut shard = self.shard(at);
        if let Some(value) = shard.recent.get(key) {
            return Lookup::Kept(value.clone());
        }
        match shard.earlier.remove_entry(key) {
            Some((key, value)) => {
                self.add(&mut shard, key, value.clone());
                Lookup::Kept(value)
            }
            None => Lookup::Ask(Ticket { shard: at, arrivals: shard.arrivals }),
        }
    }

    /// Keeps what the engine said to the one with the ticket.
    pub(super) fn keep(&self, ticket: &Ticket, key: &[u8], value: &Raw) {
        let mut shard = self.shard(ticket.shard);
        if shard.arrivals == ticket.arrivals {
            self.add(&mut shard, key.into(), value.clone());
        }
    }

    /// These changes are beneath now.
    pub(super) fn arrived(&self, changes: &Changes) {
        for at in 0..self.shards.len() {
            self.shard(at).arrivals += 1;
        }
        for (key, change) in changes {
            let mut shard = self.shard(self.place(key));
            let shard = &mut *shard;
            shard.earlier.remove(key);
            let Some(kept) = shard.recent.get_mut(key) else { continue };
            shard.recent_bytes -= kept.len();
            match change {
                Some(value) => {
                    shard.recent_bytes += value.len();
                    *kept = value.clone();
                }
                None => {
                    shard.recent.remove(key);
                    shard.recent_bytes -= key.len() + ENTRY_BYTES;
                }
            }
        }
    }

    fn add(&self, shard: &mut Shard, key: Raw, value: Raw) {
        if shard.recent_bytes >= self.shard_bytes / 2 {
            shard.earlier = std::mem::take(&mut shard.recent);
            shard.recent_bytes = 0;
        }
        let key_bytes = key.len();
        shard.recent_bytes += value.len();
        match shard.recent.insert(key, value) {
            Some(before) => shard.recent_bytes -= before.len(),
            None => shard.recent_bytes += key_bytes + ENTRY_BYTES,
        }
    }

    fn place(&self, key: &[u8]) -> usize {
        self.hasher.hash_one(key) as usize % self.shards.len()
    }

    fn shard(&self, at: usize) -> MutexGuard<'_, Shard> {
        // Counts and maps are changed without a panic in between.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Hot, Lookup, SHARDS, Ticket};
    use crate::engine::Raw;
    use crate::write_behind::pending::Changes;

    fn raw(text: &str) -> Raw {
        text.as_bytes().into()
    }

    fn ask(hot: &Hot, key: &str) -> Ticket {
        match hot.get(key.as_bytes()) {
            Lookup::Ask(ticket) => ticket,
            Lookup::Kept(value) => panic!("{key} is kept: {value:?}"),
        }
    }

    fn kept(hot: &Hot, key: &str) -> Option<Raw> {
        match hot.get(key.as_bytes()) {
            Lookup::Ask(_) => None,
            Lookup::Kept(value) => Some(value),
        }
    }

    fn arrive(hot: &Hot, key: &str, value: Option<&str>) {
        hot.arrived(&Changes::from([(raw(key), value.map(raw))]));
    }

    #[test]
    fn what_arrives_takes_the_place_of_what_is_kept() {
        let hot = Hot::default();
        hot.keep(&ask(&hot, "a"), b"a", &raw("one"));
        assert_eq!(kept(&hot, "a"), Some(raw("one")));
        arrive(&hot, "a", Some("two"));
        assert_eq!(kept(&hot, "a"), Some(raw("two")));
        arrive(&hot, "a", None);
        assert_eq!(kept(&hot, "a"), None);
        arrive(&hot, "b", Some("never asked for"));
        assert_eq!(kept(&hot, "b"), None);
    }

    #[test]
    fn what_was_read_before_something_arrived_is_not_kept() {
        let hot = Hot::default();
        let (early, other) = (ask(&hot, "a"), ask(&hot, "b"));
        arrive(&hot, "a", Some("new"));
        hot.keep(&early, b"a", &raw("old"));
        assert_eq!(kept(&hot, "a"), None);
        hot.keep(&other, b"b", &raw("old"));
        assert_eq!(kept(&hot, "b"), None);
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let bytes = 64 << 10;
        let hot = Hot::limited_to(bytes);
        let value = raw(&"x".repeat(200));
        let used = "used";
        hot.keep(&ask(&hot, used), used.as_bytes(), &value);
        for number in 0..10_000 {
            let key = number.to_string();
            hot.keep(&ask(&hot, &key), key.as_bytes(), &value);
            assert!(kept(&hot, used).is_some(), "{number}");
        }
        let count = |shard: usize| {
            let shard = hot.shard(shard);
            shard.recent.len() + shard.earlier.len()
        };
        let entries: usize = (0..SHARDS).map(count).sum();
        assert!((50..=bytes / 200).contains(&entries), "{entries}");
    }
}
