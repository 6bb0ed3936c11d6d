//! Levels: what all nodes of a cluster have to be able to compute before any of them may ask for it.
//!
//! A *level* is a number that goes up by one with each release that computes or stores something new. A program supports
//! a stretch of them, [`LEVELS`]. The cluster's *active version* is the level in force: it is a record of the log's own,
//! the same on every node, and goes up by [`RaiseActiveVersion`](crate::cluster::RaiseActiveVersion) alone, one step at a
//! time, never down. Until then every node computes what the oldest one does, so that it can be put back.
//!
//! | level | what came with it |
//! | --- | --- |
//! | 1 | all that programs without levels computed |
//! | 2 | the record of who raised the active version (`Raises`) |
//! | 3 | failed notifications can be sent again (`notification.retry`) |
//! | 4 | text messages (`sms.*`); indexes of payments by state and of notifications by status (`payment.index_states`,
//! |   | `notification.index_statuses`) |
//! | 5 | a canceled order gives money back at once, also while another attempt of it is being voided; once, also if that fails; |
//! |   | and however many refunds it has |
//! | 6 | the answer to a request with an `Idempotency-Key` is kept with its events, and no more with the hash of the key |
//! | 7 | what is stored for such a request is under the epoch of the feed, and in it under the hash of the key (`RepliesByEpoch`, |
//! |   | `broker.trim_replies_by_epoch`); nodes may keep their state in blocks, which earlier programs cannot read |

/// The level of clusters that never raised theirs.
pub const FIRST_LEVEL: u32 = 1;

/// The levels that this program supports.
pub const LEVELS: Levels = Levels { least: 1, most: 7 };

/// A stretch of levels, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema), schema(as = SupportedLevels))]
pub struct Levels {
    /// The lowest active version that the program can run with.
    #[cfg_attr(feature = "http", schema(example = 1))]
    pub least: u32,
    /// The highest.
    #[cfg_attr(feature = "http", schema(example = 7))]
    pub most: u32,
}

impl Levels {
    /// Of programs that were made before there were levels.
    pub const FIRST: Levels = Levels { least: FIRST_LEVEL, most: FIRST_LEVEL };

    /// Whether a program can run with this active version.
    pub const fn has(self, level: u32) -> bool {
        self.least <= level && level <= self.most
    }
}

/// The level that a command was declared with: see [`crate::commands`].
#[doc(hidden)]
pub const fn declared(since: &[u32]) -> u32 {
    match since {
        [level] => *level,
        _ => FIRST_LEVEL,
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_LEVEL, Levels, declared};

    #[test]
    fn both_ends_belong_to_a_stretch() {
        let check = |level, expect| assert_eq!(Levels { least: 2, most: 3 }.has(level), expect, "{level}");
        check(1, false);
        check(2, true);
        check(3, true);
        check(4, false);
        assert!(Levels::FIRST.has(FIRST_LEVEL) && !Levels::FIRST.has(FIRST_LEVEL + 1));
    }

    #[test]
    fn a_command_without_a_level_is_of_the_first() {
        assert_eq!((declared(&[]), declared(&[7])), (FIRST_LEVEL, 7));
    }
}
