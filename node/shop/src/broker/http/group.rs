use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broker::{CommitOffsets, Group, JoinGroup, MAX_NAME_BYTES, Offset, Position, ResetOffset};
use crate::codes::Code;
use crate::http::{Checks, Cursor, Limit};
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// A member that was not heard of for so long is taken out of its group.
pub const SESSION_SECONDS: u32 = 30;
/// The most topics that a member reads at once.
pub const MAX_MEMBER_TOPICS: usize = 20;
/// The most positions of one commit.
const MAX_POSITIONS: usize = 500;

/// A consumer group as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    pub name: String,
    pub epoch: u64,
    pub members: Vec<String>,
    pub positions: Vec<PositionView>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How far a group is with one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PositionView {
    pub topic: String,
    pub partition: u16,
    /// The member that has it now; null while there is none.
    pub member: Option<String>,
    /// The last sequence number that it has finished.
    pub seq: u64,
    /// How much of the feed, of all topics, is behind that.
    pub lag: u64,
    pub updated_at: Timestamp,
}

impl GroupView {
    /// The view of a group. `last_seq` is the feed's end.
    pub fn of(name: String, group: Group, offsets: Vec<((String, u16), Offset)>, last_seq: u64) -> Self {
        let position = |((topic, partition), offset): ((String, u16), Offset)| {
            let Offset { seq, updated_at } = offset;
            let member = group.member_of(partition).map(str::to_owned);
            PositionView { topic, partition, member, seq, lag: last_seq.saturating_sub(seq), updated_at }
        };
        let positions = offsets.into_iter().map(position).collect();
        let Group { epoch, members, created_at, updated_at } = group;
        Self { name, epoch, members, positions, created_at, updated_at }
    }
}

/// The query of `GET /admin/v1/groups`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct GroupsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl GroupsQuery {
    /// What to ask of [`crate::broker::queries::groups`]: `after`, limit.
    pub fn read(&self) -> Result<(Option<String>, usize), Rejection> {
        Ok((self.cursor.as_ref().map(Cursor::key).transpose()?, self.limit.unwrap_or_default().get()))
    }
}

/// The body of `POST /admin/v1/groups/{group}/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinInput {
    /// The consumer's own name, one a process, and the same one after a restart.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$", example = "erp-1")]
    pub member: String,
}

impl JoinInput {
    /// The command that makes it a member.
    pub fn command(self, group: String) -> Result<JoinGroup, Rejection> {
        if !is_name(&group) {
            return Err(Rejection::new(Code::InvalidParameter, format!("group: {NAME_RULE}")));
        }
        let mut checks = Checks::new();
        if !is_name(&self.member) {
            checks.fail("/member", NAME_RULE);
        }
        checks.finish()?;
        Ok(JoinGroup { group, member: self.member })
    }
}

const NAME_RULE: &str = "expected 1 to 64 letters, digits, `.`, `_`, `-`";

/// Names are parts of paths, and in logs.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

/// A membership that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MembershipView {
    pub group: String,
    pub member: String,
    pub epoch: u64,
    /// Without a heartbeat for so long the membership ends.
    pub session_seconds: u32,
}

/// The body of `POST /admin/v1/groups/{group}/members/{member}/heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatInput {
    /// What the group reads: all members name the same topics.
    #[schema(min_items = 1, max_items = 20, example = json!(["orders"]))]
    pub topics: Vec<String>,
}

impl HeartbeatInput {
    /// The topics, each once.
    pub fn topics(self) -> Result<Vec<String>, Rejection> {
        let mut checks = Checks::new();
        checks.length("/topics", self.topics.len(), 1..=MAX_MEMBER_TOPICS, "topics");
        checks.finish()?;
        let mut topics = self.topics;
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }
}

/// What a member has to read now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignmentView {
    /// Commits carry it.
    pub epoch: u64,
    /// By topic and partition.
    pub partitions: Vec<AssignedPartition>,
}

/// A partition, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedPartition {
    pub topic: String,
    pub partition: u16,
    /// The last sequence number that the group has finished: read `after` it. 0: nothing was committed yet.
    pub seq: u64,
}

impl AssignmentView {
    /// The view of an assignment.
    pub fn of(epoch: u64, positions: Vec<Position>) -> Self {
        let assigned = |Position { topic, partition, seq }| AssignedPartition { topic, partition, seq };
        Self { epoch, partitions: positions.into_iter().map(assigned).collect() }
    }
}

/// The body of `POST /admin/v1/groups/{group}/offsets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitInput {
    /// As the last heartbeat told it.
    pub epoch: u64,
    #[schema(min_items = 1, max_items = 500)]
    pub positions: Vec<PositionInput>,
}

/// A position in a partition; alone it is the body of `POST /admin/v1/groups/{group}/offsets/reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PositionInput {
    #[schema(example = "orders")]
    pub topic: String,
    pub partition: u16,
    /// Everything of the partition up to here is finished: the `next_after` of a page.
    pub seq: u64,
}

impl CommitInput {
    /// The command that remembers the positions.
    pub fn command(self, group: String) -> Result<CommitOffsets, Rejection> {
        let mut checks = Checks::new();
        checks.length("/positions", self.positions.len(), 1..=MAX_POSITIONS, "positions");
        checks.finish()?;
        let positions = self.positions.into_iter().map(Position::from).collect();
        Ok(CommitOffsets { group, epoch: self.epoch, positions })
    }
}

impl PositionInput {
    /// The command that sets the position, backwards too.
    pub fn reset(self, group: String) -> ResetOffset {
        ResetOffset { group, position: self.into() }
    }
}

impl From<PositionInput> for Position {
    fn from(input: PositionInput) -> Self {
        let PositionInput { topic, partition, seq } = input;
        Self { topic, partition, seq }
    }
}

/// A group's epoch after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochView {
    pub epoch: u64,
}

#[cfg(test)]
mod tests {
    use super::{CommitInput, HeartbeatInput, JoinInput, MAX_MEMBER_TOPICS, MAX_POSITIONS, PositionInput};

    #[test]
    fn names_are_bounded() {
        let check = |group: &str, member: &str, expect: Result<(), &str>| {
            let found = JoinInput { member: member.into() }.command(group.into());
            assert_eq!(found.map(drop).map_err(|wrong| wrong.code.as_str()), expect, "{group:?} {member:?}");
        };
        let long = "a".repeat(65);
        check("Search.index_1-b", &long[1..], Ok(()));
        for wrong in ["", "a b", "a/b", "é", &long] {
            check(wrong, "a", Err("invalid_parameter"));
            check("g", wrong, Err("invalid_value"));
        }
    }

    #[test]
    fn topics_and_positions_are_bounded() {
        let topics = |count: usize| HeartbeatInput { topics: vec!["b".into(); count] }.topics();
        assert!(topics(0).is_err() && topics(MAX_MEMBER_TOPICS + 1).is_err());
        assert_eq!(topics(MAX_MEMBER_TOPICS).unwrap(), ["b"]);
        let commit = |count: usize| {
            let position = PositionInput { topic: "t".into(), partition: 0, seq: 1 };
            CommitInput { epoch: 1, positions: vec![position; count] }.command("g".into())
        };
        assert!(commit(0).is_err() && commit(MAX_POSITIONS + 1).is_err());
        assert_eq!(commit(MAX_POSITIONS).unwrap().positions.len(), MAX_POSITIONS);
    }
}
