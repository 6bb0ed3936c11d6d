//! Topics: names for parts of the feed, each cut into partitions by key.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::table;
use crate::time::Timestamp;

/// The most topics of a shop.
pub const MAX_TOPICS: usize = 200;
/// The most partitions of a topic.
pub const MAX_PARTITIONS: u16 = 256;
/// How many partitions a topic has unless it is told.
pub const DEFAULT_PARTITIONS: u16 = 8;
/// The longest name of a topic, in bytes.
pub const MAX_TOPIC_BYTES: usize = 64;

/// The topics that the shop itself writes to, and nobody else may.
pub const STANDARD_TOPICS: [&str; 9] = [
    "customers",
    "catalog",
    "inventory",
    "orders",
    "fulfilments",
    "returns",
    "payments",
    "notifications",
    "platform",
];

table!(
    /// Topics by name.
    Topics, TOPICS, String => Topic
);

/// A topic. The number of its partitions never changes: it decides where a key's events are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// 1 to [`MAX_PARTITIONS`].
    pub partitions: u16,
    /// How long its events are kept at least; `None`: as long as the settings say.
    pub retention_days: Option<u32>,
    pub created_at: Timestamp,
}

storage::versioned!(Topic, 1);

/// Whether the shop itself writes to this topic.
pub fn is_standard(topic: &str) -> bool {
    STANDARD_TOPICS.contains(&topic)
}

/// The partition of a key: the first eight bytes of its SHA-256, big-endian, modulo the number of partitions. A format:
/// offsets are stored by partition.
pub fn partition_of(key: &str, partitions: u16) -> u16 {
    let digest = Sha256::digest(key.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    (u64::from_be_bytes(head) % u64::from(partitions.max(1))) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::partition_of;

    /// Offsets on disk rely on these numbers: they never change.
    #[test]
    fn golden_partitions() {
        let check = |key: &str, expect: [u16; 3]| {
            assert_eq!([1, 8, 256].map(|partitions| partition_of(key, partitions)), expect, "{key:?}");
        };
        check("", [0, 4, 20]);
        check("ord_00000000000000000000000000", [0, 2, 66]);
        check("TEA-1", [0, 5, 221]);
    }

    proptest! {
        #[test]
        fn a_partition_is_within_bounds(key in any::<String>(), partitions in any::<u16>()) {
            assert!(partition_of(&key, partitions) < partitions.max(1));
        }
    }
}
