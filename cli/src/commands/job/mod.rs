//! `shopctl job`: work that takes long, while it runs and afterwards.

pub mod view;
mod watch;

pub use watch::watch;

use shop::broker::http::{JobView, JobsQuery};
use shop::ids::JobId;

use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

/// List and show long-running jobs
#[derive(Debug, clap::Subcommand)]
pub enum Job {
    /// List jobs
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show how far a job is, and what went wrong
    Get { id: JobId },
}

impl Job {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List { paging } => {
                let query = |limit, cursor| JobsQuery { limit, cursor };
                paging::list(context, &["admin", "v1", "jobs"], paging, query, view::list).await
            }
            Self::Get { id } => {
                let answer = context.client.get(&["admin", "v1", "jobs", &id.to_string()], &()).await?;
                context.output.answer(&answer.body, |job: &JobView| view::one(job))
            }
        }
    }
}
