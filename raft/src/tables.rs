//! raft's own records in the store: every table it owns, listed once. A retired prefix is never reused.
//!
//! | prefix | table | kind |
//! | --- | --- | --- |
//! | `0x01` | where apply stands | local: every node's own, in the batch of what it describes |
//! | `0x02` | the members at that point | local: a snapshot carries them in its header |
//! | `0x10` | the last stamp | replicated |
//! | `0x11` | the settings of the cluster | replicated |

use serde::{Deserialize, Serialize};
use storage::{Direction, Fault, KeyRange, Raw, Read, ReadBytes, Scan, Scope, Table, versioned};

/// The last entry applied.
pub(crate) struct LastApplied;

impl Table for LastApplied {
    const PREFIX: u8 = 0x01;
    const NAME: &'static str = "raft_last_applied";
    type Key = ();
    type Value = AppliedRecord;
}

/// A log id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppliedRecord {
    pub term: u64,
    pub leader: u64,
    pub index: u64,
}
versioned!(AppliedRecord, 1);

/// The index of the last entry whose effects this reader sees; 0 before the first. A view keeps it still.
///
/// # Errors
/// When the record cannot be read.
pub fn applied_index(read: &impl ReadBytes) -> Result<u64, Fault> {
    Ok(NodeScope(read).get::<LastApplied>(&())?.map_or(0, |record| record.index))
}

/// A reader that looks at raft's own records, wherever the other one looks.
struct NodeScope<'a, R>(&'a R);

impl<R: ReadBytes> ReadBytes for NodeScope<'_, R> {
    fn scope(&self) -> Scope {
        Scope::NODE
    }

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.0.get_bytes(key)
    }

    fn may_hold_bytes(&self, prefix: u8, tail: &[u8]) -> Result<bool, Fault> {
        self.0.may_hold_bytes(prefix, tail)
    }

    fn scan_bytes<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        self.0.scan_bytes(range, direction)
    }
}

/// The membership in force after the last entry applied.
pub(crate) struct Members;

impl Table for Members {
    const PREFIX: u8 = 0x02;
    const NAME: &'static str = "raft_members";
    type Key = ();
    type Value = MembersRecord;
}

/// The bytes of `codec::encode_stored_membership`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembersRecord {
    pub stored: Vec<u8>,
}
versioned!(MembersRecord, 1);

/// The clamped clock.
pub(crate) struct LastStamp;

impl Table for LastStamp {
    const PREFIX: u8 = 0x10;
    const NAME: &'static str = "raft_last_stamp";
    type Key = ();
    type Value = StampRecord;
}

/// Milliseconds since the Unix epoch; what the last command saw as `now`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StampRecord {
    pub now_ms: u64,
}
versioned!(StampRecord, 1);

/// What the whole cluster has agreed to run by.
pub(crate) struct Settings;

impl Table for Settings {
    const PREFIX: u8 = 0x11;
    const NAME: &'static str = "raft_settings";
    type Key = ();
    type Value = SettingsRecord;
}

/// `active_version`: the rules by which apply computes. Without a record it is [`FIRST_ACTIVE_VERSION`].
///
/// The record is in version 2 on purpose: programs from before clusters were upgraded in steps know version 1 only,
/// have no idea of their own limits, and read this record before anything else. They refuse to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettingsRecord {
    pub active_version: u32,
}
versioned!(SettingsRecord, 2);

/// The rules that a group without a record of them goes by.
pub(crate) const FIRST_ACTIVE_VERSION: u32 = 1;

/// The rules by which the state was computed that this reader sees. A view keeps it still.
///
/// # Errors
/// When the record cannot be read.
pub fn active_version(read: &impl ReadBytes) -> Result<u32, Fault> {
    Ok(NodeScope(read).get::<Settings>(&())?.map_or(FIRST_ACTIVE_VERSION, |record| record.active_version))
}

#[cfg(test)]
mod tests {
    use std::{fmt::Debug, sync::Arc};

    use storage::{MemoryEngine, Store, Value};

    use super::*;

    fn check<V: Value + PartialEq + Debug>(record: V, golden: &[u8]) {
        assert_eq!(record.encode().unwrap(), golden, "{record:?}");
        assert_eq!(V::decode(golden).unwrap(), record);
    }

    #[test]
    fn the_bytes_are_pinned() {
        check(AppliedRecord { term: 1, leader: 2, index: 300 }, &[1, 1, 2, 251, 44, 1]);
        check(MembersRecord { stored: vec![9, 8] }, &[1, 2, 9, 8]);
        check(StampRecord { now_ms: 5 }, &[1, 5]);
        check(SettingsRecord { active_version: 7 }, &[2, 7]);
    }

    #[test]
    fn where_apply_stands_is_seen_from_every_scope() {
        let store = Store::open(Arc::new(MemoryEngine::new())).unwrap();
        assert_eq!(applied_index(&store.view()).unwrap(), 0);
        let mut txn = store.begin();
        txn.put::<LastApplied>(&(), &AppliedRecord { term: 2, leader: 1, index: 7 }).unwrap();
        store.commit(txn).unwrap();
        assert_eq!(applied_index(&store.view().in_scope(Scope(1))).unwrap(), 7);
    }
}
