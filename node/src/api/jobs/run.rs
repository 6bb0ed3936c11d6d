//! One job, from the request that begins it to its end.

use std::time::{Duration, Instant};

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use shop::broker::http::JobAccepted;
use shop::broker::{CreateJob, FinishJob, JobError, JobStatus, Outcome, Progress, ReportJob};
use shop::ids::{JobId, RequestId};
use shop::{Actor, Code, Command, Rejection};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use crate::gateway::{App, Call, Problem, unexpected};

/// How often a command is tried when the cluster cannot take it.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(500);
const SUBMIT_WITHIN: Duration = Duration::from_secs(5);

/// What a job came to, in words for its `detail`: completed, or failed.
pub type Verdict = Result<Option<String>, String>;

/// Makes the job that `command` describes and does its work in the background. A repetition of the request is answered
/// with the job that it began the first time.
///
/// # Errors
/// When the job could not be made; then nothing is begun.
pub async fn accept<W>(
    call: &Call,
    place: OwnedSemaphorePermit,
    fingerprint: [u8; 32],
    command: CreateJob,
    work: impl FnOnce(Running) -> W,
) -> Result<Response, Problem>
where
    W: Future<Output = Verdict> + Send + 'static,
{
    let done = call.carry_out(command, fingerprint).await?;
    let id = match &done.outcome {
        shop::Outcome::Broker(Outcome::Job { id }) => *id,
        other => return Err(unexpected(other)),
    };
    if !done.replayed {
        let (actor, request) = (call.principal.actor(), call.request);
        let job = Running { app: call.app.clone(), actor, request, id };
        job.clone().start(work(job), place);
    }
    let mut response = done.answer(StatusCode::ACCEPTED, &JobAccepted { id })?;
    if let Ok(place) = HeaderValue::from_str(&format!("/admin/v1/jobs/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// A job that this node does.
#[derive(Clone)]
pub struct Running {
    pub app: App,
    actor: Actor,
    request: RequestId,
    id: JobId,
}

impl Running {
    fn start(self, work: impl Future<Output = Verdict> + Send + 'static, place: OwnedSemaphorePermit) {
        self.app.jobs.started(self.id);
        let span = tracing::info_span!(parent: None, "job", job = %self.id);
        let task = async move {
            let _place = place;
            let (status, detail) = match work.await {
                Ok(detail) => (JobStatus::Completed, detail),
                Err(detail) => (JobStatus::Failed, Some(detail)),
            };
            if !matches!(self.submit(FinishJob { id: self.id, status, detail }).await, Ok(Ok(_))) {
                tracing::error!("the end of a job could not be noted: the next start will");
            }
            self.app.jobs.ended(self.id);
        };
        tokio::spawn(task.instrument(span));
    }

    /// Tells how far the job is, and what went wrong since it was told last.
    ///
    /// # Errors
    /// As [`Running::submit`], and when the job is not there or over.
    pub async fn report(&self, progress: Progress, errors: Vec<JobError>) -> Result<(), Problem> {
        let command = ReportJob { id: self.id, progress, errors };
        self.submit(command).await?.map(drop).map_err(Problem::from)
    }

    /// Tells how far the job is, once: the next time tells more.
    pub async fn mention(&self, progress: Progress) {
        let command = ReportJob { id: self.id, progress, errors: Vec::new() };
        let deadline = Instant::now() + SUBMIT_WITHIN;
        let _ = self.app.submit_as(self.actor, self.request, command, deadline).await;
    }

    /// Submits a command that does no harm twice, again and again while the cluster cannot take it.
    ///
    /// # Errors
    /// When it could not for half a minute or more, or the command is too large.
    pub async fn submit(
        &self,
        command: impl Into<Command>,
    ) -> Result<Result<shop::Outcome, Rejection>, Problem> {
        let command = command.into();
        let mut tries = 0;
        loop {
            tries += 1;
            let deadline = Instant::now() + SUBMIT_WITHIN;
            match self.app.submit_as(self.actor, self.request, command.clone(), deadline).await {
                Ok(reply) => return Ok(reply.result),
                Err(problem) if tries < TRIES && problem.code() != Code::CommandTooLarge => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    }
}
