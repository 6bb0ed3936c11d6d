use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::broker::{Job, JobKind, JobStatus, Jobs, Outcome, Progress};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::JobId;
use crate::rejection::Halt;

/// How long a finished job is kept, in log time: 30 days.
const FINISHED_KEPT_MILLIS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// How many old jobs a new one takes away: more than one, so that their number shrinks to what is young.
const REMOVED_AT_ONCE: usize = 10;

/// Opens a job, and removes a few that were finished long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJob {
    pub kind: JobKind,
    /// The node that does it.
    pub node: u64,
    pub dry_run: bool,
    /// Items in all, as far as they are known.
    pub total: u32,
}

impl Execute for CreateJob {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let oldest: Vec<(JobId, Job)> =
            ctx.tx.scan::<Jobs>(Span::all()).take(REMOVED_AT_ONCE).collect::<Result<_, _>>()?;
        for (id, job) in oldest {
            if job.finished_at.is_some_and(|finished_at| ctx.now.since(finished_at) >= FINISHED_KEPT_MILLIS) {
                ctx.tx.delete::<Jobs>(&id)?;
            }
        }
        let id = JobId::fresh(&mut ctx.ids);
        let job = Job {
            kind: self.kind,
            node: self.node,
            dry_run: self.dry_run,
            status: JobStatus::Running,
            progress: Progress { total: self.total, ..Progress::default() },
            errors: Vec::new(),
            detail: None,
            created_at: ctx.now,
            updated_at: ctx.now,
            finished_at: None,
        };
        ctx.tx.insert::<Jobs>(&id, &job)?;
        Ok(Outcome::Job { id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{CreateJob, FINISHED_KEPT_MILLIS};
    use crate::broker::{FinishJob, JobError, JobKind, JobStatus, MAX_JOB_ERRORS, Outcome, Progress, ReportJob, queries};
    use crate::ids::JobId;
    use crate::testing::Bench;

    fn create(bench: &mut Bench) -> JobId {
        let command = CreateJob { kind: JobKind::ProductImport, node: 1, dry_run: false, total: 200 };
        match bench.ok(command) {
            crate::Outcome::Broker(Outcome::Job { id }) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_from_its_beginning_to_its_end() {
        let mut bench = Bench::new();
        let id = create(&mut bench);
        let error = |row| JobError { row, column: "Variant Price".into(), detail: "no number".into() };
        let report = |done: u32| ReportJob {
            id,
            progress: Progress { total: 200, done, created: done, failed: done, ..Progress::default() },
            errors: (0..60).map(error).collect(),
        };
        bench.ok(report(60));
        let before = bench.store.digest();
        bench.ok(report(60));
        assert_eq!(before, bench.store.digest(), "told twice");
        bench.ok(report(120));
        let job = queries::job(&bench.view(), id).unwrap().unwrap();
        assert_eq!((job.progress.done, job.errors.len()), (120, MAX_JOB_ERRORS));
        let finish = FinishJob { id, status: JobStatus::Completed, detail: None };
        bench.ok(finish.clone());
        bench.ok(FinishJob { status: JobStatus::Failed, ..finish });
        assert_eq!(bench.refused(report(200)).code.as_str(), "conflict");
        let job = queries::job(&bench.view(), id).unwrap().unwrap();
        assert!(job.status == JobStatus::Completed && job.finished_at.is_some());
        assert_eq!(bench.event_kinds(), ["shopnode.job.completed.v1"]);
    }

    #[test]
    fn finished_jobs_go_after_a_while() {
        let mut bench = Bench::new();
        let (done, running) = (create(&mut bench), create(&mut bench));
        bench.ok(FinishJob { id: done, status: JobStatus::Completed, detail: None });
        bench.pass_millis(FINISHED_KEPT_MILLIS);
        create(&mut bench);
        assert!(queries::job(&bench.view(), done).unwrap().is_none());
        assert!(queries::job(&bench.view(), running).unwrap().is_some());
    }
}
