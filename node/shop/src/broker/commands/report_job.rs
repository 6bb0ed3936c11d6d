use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{JobError, JobStatus, Jobs, MAX_JOB_ERRORS, Progress};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::JobId;
use crate::rejection::{Halt, Rejection};

/// Tells how far a job is. A report that is not ahead of the last one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportJob {
    pub id: JobId,
    pub progress: Progress,
    /// Errors since the last report.
    pub errors: Vec<JobError>,
}

impl Execute for ReportJob {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut job) = ctx.tx.get::<Jobs>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no job {}", self.id)).into());
        };
        if job.status != JobStatus::Running {
            return Err(Rejection::new(Code::Conflict, format!("job {} has ended", self.id)).into());
        }
        if self.progress.done > job.progress.done {
            job.progress = self.progress;
            let room = MAX_JOB_ERRORS.saturating_sub(job.errors.len());
            job.errors.extend(self.errors.iter().take(room).cloned());
            job.updated_at = ctx.now;
            ctx.tx.put::<Jobs>(&self.id, &job)?;
        }
        Ok(crate::Outcome::Done)
    }
}
