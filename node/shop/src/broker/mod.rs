//! The broker: the feed of events, topics, consumer groups, leases, and what the shop keeps for itself: settings, jobs,
//! and the answers to requests that may be repeated.
//!
//! An event is stored once, in the feed. Topics and partitions are ways to read it; a consumer's offset is the last
//! sequence number that it has finished.

mod commands;
mod event;
mod group;
#[cfg(feature = "http")]
pub mod http;
mod job;
mod lease;
mod model;
mod outcome;
pub mod queries;
mod settings;
mod topic;

pub use commands::{
    AcquireLease, Command, CommitOffsets, CreateJob, CreateTopic, FinishJob, JoinGroup, LeaveGroup,
    MAX_TRIMMED_REPLIES, PublishEvent, ReportJob, ResetOffset, TakeLease, TrimEvents, TrimReplies,
    TrimRepliesByEpoch, UpdateSettings,
};
pub use event::Event;
pub use group::{Group, Groups, MAX_GROUPS, MAX_MEMBERS, MAX_NAME_BYTES, Offset, Offsets, Position};
pub use job::{Job, JobError, JobKind, JobStatus, Jobs, MAX_JOB_ERRORS, Progress};
pub use lease::{Fence, Lease, Leases};
pub use model::{Events, Kept, Replies, RepliesByEpoch, StoredReply};
pub use outcome::Outcome;
pub use settings::{Settings, SettingsTable, settings};
pub use topic::{
    DEFAULT_PARTITIONS, MAX_PARTITIONS, MAX_TOPIC_BYTES, MAX_TOPICS, STANDARD_TOPICS, Topic, Topics,
    is_standard, partition_of,
};
