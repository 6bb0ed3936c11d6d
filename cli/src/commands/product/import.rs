//! `shopctl product import`: a CSV file becomes products, as a job of the shop.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use shop::broker::JobStatus;
use shop::broker::http::{JobAccepted, JobView};

use crate::client::Payload;
use crate::commands::job::{view, watch};
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Meaning;
use crate::output;

/// The largest file that the shop takes.
const MAX_FILE_BYTES: u64 = 10 * 1024 * 1024;

/// Import products from a CSV file as Shopify exports it
///
/// The shop imports it as a job: importing the same file twice changes nothing. Ends with 1 if a row could not be
/// imported; the errors are listed by row and column.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// CSV file with columns like Handle, Title, Variant SKU, Variant Price; `-` is stdin
    file: PathBuf,

    /// Only look for errors, and say what would change
    #[arg(long)]
    dry_run: bool,

    /// How long to wait for the job, in seconds; with 0 its id is printed at once
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
}

/// The query of `POST /admin/v1/imports`.
#[derive(Serialize)]
struct ImportQuery {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Import {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let text = read_file(&self.file)?;
        let query = ImportQuery { dry_run: self.dry_run };
        let answer =
            context.client.post(&["admin", "v1", "imports"], &query, Payload::Csv(text.into())).await?;
        let JobAccepted { id } = output::read(&answer.body)?;
        if self.wait == 0 {
            return context
                .changed(&answer, |job: &JobAccepted| (format!("the import is job {}", job.id), Vec::new()));
        }
        let later = format!("the import goes on: `shopctl job get {id}`");
        context.interrupt.means(Meaning::GoesOn(later.clone()));
        let answer = match watch(context, id, "products", Duration::from_secs(self.wait)).await? {
            Some(answer) => answer,
            None => {
                return Err(Failure::Failed(format!("the job did not end within {} s; {later}", self.wait)));
            }
        };
        context.output.answer(&answer.body, |job: &JobView| view::one(job))?;
        verdict(&output::read(&answer.body)?)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let wrong = |error: std::io::Error| Failure::Usage(format!("cannot read {shown}: {error}"));
    let mut text = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(wrong)?;
    } else {
        File::open(path).map_err(wrong)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(wrong)?;
    }
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::Usage(format!("{shown} is larger than {MAX_FILE_BYTES} bytes: split it")));
    }
    if text.is_empty() {
        return Err(Failure::Usage(format!("{shown} is empty")));
    }
    Ok(text)
}

/// Whether everything was imported.
fn verdict(job: &JobView) -> Result<(), Failure> {
    let why = job.detail.as_deref().map_or(String::new(), |why| format!(": {why}"));
    match job.status {
        JobStatus::Failed => Err(Failure::Failed(format!("the import failed{why}"))),
        _ if job.progress.failed > 0 => {
            let told = job.errors.len();
            let more = if (told as u64) < u64::from(job.progress.failed) {
                format!(" (the first {told} are listed)")
            } else {
                String::new()
            };
            Err(Failure::Failed(format!("{} errors in the file{more}", job.progress.failed)))
        }
        _ => Ok(()),
    }
}
