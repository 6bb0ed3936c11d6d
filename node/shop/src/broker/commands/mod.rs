//! The commands of the broker, one file each.

crate::commands! {
    "broker":
    "acquire_lease" => acquire_lease::AcquireLease,
    "create_topic" => create_topic::CreateTopic,
    "publish_event" => publish_event::PublishEvent,
    "join_group" => join_group::JoinGroup,
    "leave_group" => leave_group::LeaveGroup,
    "commit_offsets" => commit_offsets::CommitOffsets,
    "reset_offset" => reset_offset::ResetOffset,
    "trim_replies" => trim_replies::TrimReplies,
    "update_settings" => update_settings::UpdateSettings,
    "create_job" => create_job::CreateJob,
    "report_job" => report_job::ReportJob,
    "finish_job" => finish_job::FinishJob,
    "trim_events" => trim_events::TrimEvents,
    "take_lease" => take_lease::TakeLease,
    "trim_replies_by_epoch" => trim_replies_by_epoch::TrimRepliesByEpoch since 7,
}

pub use trim_replies::MAX_TRIMMED_REPLIES;
