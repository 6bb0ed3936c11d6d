//! Topics, events, groups, settings and jobs in the HTTP API.

mod backup;
mod event;
mod group;
mod job;
mod settings;
mod topic;

pub use backup::{BackupManifest, BackupView, BackupsQuery};
pub use event::{FeedQuery, FeedView, PublishInput, Published};
pub use group::{
    AssignedPartition, AssignmentView, CommitInput, EpochView, GroupView, GroupsQuery, HeartbeatInput,
    JoinInput, MAX_MEMBER_TOPICS, MembershipView, PositionInput, PositionView, SESSION_SECONDS,
};
pub use job::{JobAccepted, JobView, JobsQuery};
pub use settings::{SettingsInput, SettingsView, patch_settings};
pub use topic::{TopicInput, TopicView};
