use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{Event, JobStatus, Jobs};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::JobId;
use crate::rejection::{Halt, Rejection};

/// Ends a job. The first end holds; another one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishJob {
    pub id: JobId,
    /// `Completed` or `Failed`.
    pub status: JobStatus,
    pub detail: Option<String>,
}

impl Execute for FinishJob {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut job) = ctx.tx.get::<Jobs>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no job {}", self.id)).into());
        };
        if job.status == JobStatus::Running && self.status != JobStatus::Running {
            job.status = self.status;
            job.detail.clone_from(&self.detail);
            job.updated_at = ctx.now;
            job.finished_at = Some(ctx.now);
            ctx.tx.put::<Jobs>(&self.id, &job)?;
            ctx.emit(crate::Event::Broker(Event::JobCompleted { job: self.id, status: self.status }));
        }
        Ok(crate::Outcome::Done)
    }
}
