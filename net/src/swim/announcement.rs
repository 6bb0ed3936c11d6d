//! What a node tells of itself, as it travels on gossip's packets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use super::identity::Identity;
use crate::{members::Profile, transport::NodeId};

/// The first byte. A newer one is not understood and not passed on.
const VERSION: u8 = 1;

/// version, node, generation, number, load, flags, applied index; big-endian.
const BYTES: usize = 1 + 8 + 8 + 8 + 2 + 1 + 8;

const DRAINING: u8 = 1;

/// One node's profile, and which of two is the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announcement {
    pub node: NodeId,
    /// The life that says so, and a count in it.
    pub age: (u64, u64),
    pub profile: Profile,
}

impl Announcement {
    pub(super) fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.node.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.age.0.to_be_bytes());
        bytes[17..25].copy_from_slice(&self.age.1.to_be_bytes());
        bytes[25..27].copy_from_slice(&self.profile.load_per_mille.to_be_bytes());
        bytes[27] = if self.profile.draining { DRAINING } else { 0 };
        bytes[28..36].copy_from_slice(&self.profile.applied_index.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Announcement> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
        if bytes[0] != VERSION {
            return None;
        }
        let profile = Profile {
            load_per_mille: u16::from_be_bytes([bytes[25], bytes[26]]),
            draining: bytes[27] & DRAINING != 0,
            applied_index: number(28)?,
        };
        Some(Announcement { node: number(1)?, age: (number(9)?, number(17)?), profile })
    }
}

/// The newest of each node.
#[derive(Debug, Clone, Default)]
pub(super) struct Announcements(Arc<Mutex<BTreeMap<NodeId, Announcement>>>);

impl Announcements {
    pub(super) fn of(&self, node: NodeId) -> Option<Profile> {
        self.lock().get(&node).map(|known| known.profile)
    }

    pub(super) fn forget(&self, node: NodeId) {
        self.lock().remove(&node);
    }

    /// Returns whether it was news.
    fn learn(&self, told: Announcement) -> bool {
        let mut known = self.lock();
        let is_news = known.get(&told.node).is_none_or(|known| known.age < told.age);
        if is_news {
            known.insert(told.node, told);
        }
        is_news
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Announcement>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Which announcement replaces which, while foca still passes them on.
pub(super) struct Key {
    node: NodeId,
    age: (u64, u64),
}

impl foca::Invalidates for Key {
    fn invalidates(&self, other: &Key) -> bool {
        self.node == other.node && self.age >= other.age
    }
}

/// Bytes that are no announcement.
#[derive(Debug, thiserror::Error)]
#[error("no announcement of a version known here")]
pub(super) struct Unreadable;

impl foca::BroadcastHandler<Identity> for Announcements {
    type Key = Key;
    type Error = Unreadable;

    fn receive_item(&mut self, data: &[u8], _sender: Option<&Identity>) -> Result<Option<Key>, Unreadable> {
        let told = Announcement::decode(data).ok_or(Unreadable)?;
        let is_news = self.learn(told);
        Ok(is_news.then_some(Key { node: told.node, age: told.age }))
    }
}

#[cfg(test)]
mod tests {
    use foca::{BroadcastHandler, Invalidates};

    use super::*;

    fn announcement(age: (u64, u64)) -> Announcement {
        let profile = Profile { load_per_mille: 0x0203, draining: true, applied_index: 0x0405 };
        Announcement { node: 7, age, profile }
    }

    #[test]
    fn the_bytes_are_pinned() {
        let told = announcement((8, 9));
        let expect = [
            &[1u8][..],
            &[0, 0, 0, 0, 0, 0, 0, 7],
            &[0, 0, 0, 0, 0, 0, 0, 8],
            &[0, 0, 0, 0, 0, 0, 0, 9],
            &[2, 3, 1],
            &[0, 0, 0, 0, 0, 0, 4, 5],
        ]
        .concat();
        assert_eq!(told.encode().as_slice(), expect);
        assert_eq!(Announcement::decode(&expect), Some(told));
        assert_eq!(Announcement::decode(&expect[1..]), None);
        assert_eq!(Announcement::decode(&[&[2], &expect[1..]].concat()), None);
    }

    #[test]
    fn only_news_is_kept_and_passed_on() {
        let mut known = Announcements::default();
        let mut receive = |age| known.receive_item(&announcement(age).encode(), None).unwrap();
        let first = receive((1, 5)).unwrap();
        assert!(receive((1, 5)).is_none());
        assert!(receive((1, 4)).is_none());
        // A later life counts anew.
        let later = receive((2, 0)).unwrap();
        assert!(later.invalidates(&first) && !first.invalidates(&later));
        assert!(known.receive_item(b"x", None).is_err());
        known.forget(7);
        assert_eq!(known.of(7), None);
    }
}
