use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broker::{Job, JobError, JobKind, JobStatus, Progress};
use crate::http::{Cursor, Limit};
use crate::ids::JobId;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The answer (202) to what takes long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobAccepted {
    /// Watch it at `/admin/v1/jobs/{id}`.
    pub id: JobId,
}

/// A job as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    pub id: JobId,
    pub kind: JobKind,
    pub status: JobStatus,
    pub dry_run: bool,
    pub progress: Progress,
    /// The first 100.
    pub errors: Vec<JobError>,
    pub detail: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl JobView {
    /// The view of a job.
    pub fn of(id: JobId, job: Job) -> Self {
        let Job {
            kind, status, dry_run, progress, errors, detail, created_at, updated_at, finished_at, ..
        } = job;
        Self { id, kind, status, dry_run, progress, errors, detail, created_at, updated_at, finished_at }
    }
}

/// The query of `GET /admin/v1/jobs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl JobsQuery {
    /// What to ask of [`crate::broker::queries::jobs`]: `after`, limit.
    pub fn read(&self) -> Result<(Option<JobId>, usize), Rejection> {
        Ok((self.cursor.as_ref().map(Cursor::key).transpose()?, self.limit.unwrap_or_default().get()))
    }
}
