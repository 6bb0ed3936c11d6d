//! Consumer groups: who shares the work of reading topics, and how far each partition is done. Polls write nothing.

use serde::{Deserialize, Serialize};

use crate::table;
use crate::time::Timestamp;

/// The most groups of a shop.
pub const MAX_GROUPS: usize = 1_000;
/// The most members of a group.
pub const MAX_MEMBERS: usize = 100;
/// The longest name of a group or a member, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

table!(
    /// Consumer groups by name.
    Groups, GROUPS, String => Group
);

table!(
    /// How far a group is done, by group, topic and partition.
    Offsets, OFFSETS, (String, String, u16) => Offset
);

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Counts the changes of membership from 1; commits of an earlier epoch are refused.
    pub epoch: u64,
    /// In order of their names.
    pub members: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

storage::versioned!(Group, 1);

impl Group {
    /// The one member that has a partition, of any topic.
    pub fn member_of(&self, partition: u16) -> Option<&str> {
        let place = usize::from(partition).checked_rem(self.members.len())?;
        self.members.get(place).map(String::as_str)
    }

    /// Whether a member has a partition: each one has exactly one member.
    pub fn assigns(&self, partition: u16, member: &str) -> bool {
        self.member_of(partition) == Some(member)
    }

    /// Whether it is a member.
    pub fn has(&self, member: &str) -> bool {
        self.members.binary_search_by(|name| name.as_str().cmp(member)).is_ok()
    }
}

/// How far a group is done with a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// The last sequence number of the feed that it has finished.
    pub seq: u64,
    pub updated_at: Timestamp,
}

storage::versioned!(Offset, 1);

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub topic: String,
    pub partition: u16,
    /// The last sequence number of the feed that is finished.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::Group;
    use crate::time::Timestamp;

    #[test]
    fn each_partition_has_one_member() {
        for count in 1..5 {
            let members: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
            let now = Timestamp::default();
            let group = Group { epoch: 1, members: members.clone(), created_at: now, updated_at: now };
            for partition in 0..16 {
                assert_eq!(members.iter().filter(|member| group.assigns(partition, member)).count(), 1);
            }
        }
    }
}
