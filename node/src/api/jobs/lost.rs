//! Ends the jobs that this node was doing when it stopped.

use std::time::{Duration, Instant};

use shop::Actor;
use shop::broker::{FinishJob, JobKind, JobStatus, queries};
use shop::ids::JobId;

use crate::gateway::{App, Problem};

const SEND_AGAIN: &str =
    "the node stopped while it did this: send the file again, what is done is not done twice";
const BEGIN_AGAIN: &str = "the node stopped while it did this: begin it again";
/// Jobs are looked through in pieces; no more pieces than this.
const MOST_PIECES: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(100);
const SUBMIT_WITHIN: Duration = Duration::from_secs(5);

/// Waits until the node can serve, then ends its lost jobs. Returns when they are ended.
pub async fn end_lost_jobs(app: App) {
    loop {
        if app.core.unready().is_empty() {
            match try_end(&app).await {
                Ok(ended) => {
                    if ended > 0 {
                        tracing::info!(ended, "jobs that the last stop had interrupted are ended as failed");
                    }
                    app.jobs.lost_are_ended();
                    return;
                }
                Err(problem) => {
                    tracing::debug!(code = problem.code().as_str(), "lost jobs are not ended yet")
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_end(app: &App) -> Result<usize, Problem> {
    let (mut after, mut ended) = (None, 0);
    for _ in 0..MOST_PIECES {
        let node = app.node;
        let found = app.read_local(move |view| Ok(queries::jobs(view, after, 100)?)).await?.value;
        let lost = found.items.iter().filter(|(_, job)| job.status == JobStatus::Running && job.node == node);
        for (id, job) in lost {
            end(app, *id, advice(job.kind)).await?;
            ended += 1;
        }
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    Ok(ended)
}

fn advice(kind: JobKind) -> &'static str {
    match kind {
        JobKind::ProductImport => SEND_AGAIN,
        JobKind::Backup | JobKind::BackupVerification => BEGIN_AGAIN,
    }
}

async fn end(app: &App, id: JobId, advice: &str) -> Result<(), Problem> {
    let command = FinishJob { id, status: JobStatus::Failed, detail: Some(advice.to_owned()) };
    let request = app.fresh_request()?;
    app.submit_as(Actor::System, request, command, Instant::now() + SUBMIT_WITHIN).await?;
    Ok(())
}
