//! Long work that a client can watch: what it is, how far it is, what went wrong.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::table;
use crate::time::Timestamp;

/// The most errors that a job tells.
pub const MAX_JOB_ERRORS: usize = 100;

table!(
    /// Jobs, in the order of their creation.
    Jobs, JOBS, JobId => Job
);

/// What kind of work. Stored by position: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum JobKind {
    /// A product CSV.
    ProductImport,
    /// The state written to a file.
    Backup,
    /// Such a file read and checked.
    BackupVerification,
}

/// How a job is doing. Stored by position: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum JobStatus {
    Running,
    /// All of it was done, but for what `errors` names.
    Completed,
    /// It ended early: `detail` says why.
    Failed,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub kind: JobKind,
    /// The node that does it: after a restart it ends the ones that it has lost.
    pub node: u64,
    /// Whether it only looks: nothing is written.
    pub dry_run: bool,
    pub status: JobStatus,
    pub progress: Progress,
    /// The first [`MAX_JOB_ERRORS`].
    pub errors: Vec<JobError>,
    pub detail: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

storage::versioned!(Job, 1);

/// How far a job is: absolute numbers, so that telling them twice does no harm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Items in all.
    pub total: u32,
    /// Items that are dealt with, whatever became of them.
    pub done: u32,
    pub created: u32,
    pub updated: u32,
    pub unchanged: u32,
    /// Errors in all, more than are told.
    pub failed: u32,
}

/// What is wrong with one place of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct JobError {
    /// The line of the file, from 1; 0: the whole.
    pub row: u32,
    /// The column's name; empty: the whole row.
    pub column: String,
    pub detail: String,
}
