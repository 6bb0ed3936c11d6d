//! `shopctl backup`: one consistent moment of the shop in an encrypted file on a node.

mod view;

use std::time::Duration;

use shop::broker::JobStatus;
use shop::broker::http::{BackupsQuery, JobAccepted, JobView};

use crate::client::Payload;
use crate::commands::job::{view as job_view, watch};
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Meaning;
use crate::output;
use crate::paging::{self, Paging};

const BACKUPS: [&str; 3] = ["admin", "v1", "backups"];

/// Make, list and verify backups
///
/// Backups are kept by the node that answers, in a directory or a bucket: name it with --server. Where they are kept and
/// what encrypts them is in that node's configuration, [backup].
#[derive(Debug, clap::Subcommand)]
pub enum Backup {
    /// Back the shop up as it is now, while it sells
    Create {
        #[command(flatten)]
        waiting: Waiting,
    },
    /// List the backups that the node keeps, newest first
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Read a whole backup and recompute the digest of every table
    Verify {
        /// The backup, as the list has it
        name: String,
        #[command(flatten)]
        waiting: Waiting,
    },
}

/// How long to wait.
#[derive(Debug, clap::Args)]
pub struct Waiting {
    /// How long to wait for the job, in seconds; with 0 its id is printed at once
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
}

impl Backup {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Create { waiting } => waiting.begin(context, &BACKUPS, "the backup").await,
            Self::List { paging } => {
                let query = |limit, cursor| BackupsQuery { limit, cursor };
                paging::list(context, &BACKUPS, paging, query, view::list).await
            }
            Self::Verify { name, waiting } => {
                let [admin, version, backups] = BACKUPS;
                let path = [admin, version, backups, name.as_str(), "verify"];
                waiting.begin(context, &path, "the verification").await
            }
        }
    }
}

impl Waiting {
    /// Begins a job and waits for its end.
    async fn begin(self, context: &Context, path: &[&str], what: &str) -> Result<(), Failure> {
        let answer = context.client.post(path, &(), Payload::Nothing).await?;
        let JobAccepted { id } = output::read(&answer.body)?;
        if self.wait == 0 {
            return context
                .changed(&answer, |job: &JobAccepted| (format!("{what} is job {}", job.id), Vec::new()));
        }
        let later = format!("{what} goes on: `shopctl job get {id}`");
        context.interrupt.means(Meaning::GoesOn(later.clone()));
        let Some(answer) = watch(context, id, "records", Duration::from_secs(self.wait)).await? else {
            return Err(Failure::Failed(format!("the job did not end within {} s; {later}", self.wait)));
        };
        context.output.answer(&answer.body, |job: &JobView| job_view::one(job))?;
        let job: JobView = output::read(&answer.body)?;
        let why = job.detail.as_deref().unwrap_or("it does not say why");
        match job.status {
            JobStatus::Completed => Ok(()),
            _ => Err(Failure::Failed(format!("{what} failed: {why}"))),
        }
    }
}
