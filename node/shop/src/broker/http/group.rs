use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broker::{Group, Offset};
use crate::http::{Cursor, Limit};
use crate::rejection::Rejection;
use crate::time::Timestamp;

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
            let lag = last_seq.saturating_sub(offset.seq);
            PositionView { topic, partition, seq: offset.seq, lag, updated_at: offset.updated_at }
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
