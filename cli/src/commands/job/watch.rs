//! Waiting for a job, with its progress on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use shop::broker::JobStatus;
use shop::broker::http::JobView;
use shop::ids::JobId;

use crate::client::Answer;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// Pauses between two looks at the job: the first, and the longest.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Looks at the job until it ends; `None` if it does not within `limit`. `what` is what its progress counts.
pub async fn watch(
    context: &Context,
    id: JobId,
    what: &str,
    limit: Duration,
) -> Result<Option<Answer>, Failure> {
    let end = Instant::now() + limit;
    let bar = if context.output.lively { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let mut pause = FIRST_LOOK;
    let seen = loop {
        let answer = context.client.watch(&["admin", "v1", "jobs", &id.to_string()], &()).await?;
        let job: JobView = output::read(&answer.body)?;
        bar.set_length(job.progress.total.into());
        bar.set_position(job.progress.done.into());
        bar.set_message(format!("{what}, {} errors", job.progress.failed));
        if job.status != JobStatus::Running {
            break Some(answer);
        }
        if Instant::now() + pause >= end {
            break None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    bar.finish_and_clear();
    Ok(seen)
}
