//! Does the work of a backup job off the async threads, and tells how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shop::broker::Progress;

use tokio::runtime::Handle;

use crate::api::jobs::{Running, Verdict};
use crate::backup::{BackupError, Name};
use crate::gateway::App;

/// How often the progress is told.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What there is to do.
#[derive(Debug)]
pub(super) enum Work {
    Create,
    Verify(Name),
}

/// What the thread that works and the task that tells of it share. Both count records.
#[derive(Debug, Default)]
struct Shared {
    done: AtomicU64,
    total: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn progress(&self) -> Progress {
        let count = |number: &AtomicU64| u32::try_from(number.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        Progress { total: count(&self.total), done: count(&self.done), ..Progress::default() }
    }
}

/// Ends the work when the task that watches it ends, however that ends.
struct StopsWork(Arc<Shared>);

impl Drop for StopsWork {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// What was done, in a sentence.
pub(super) async fn run(job: Running, work: Work) -> Verdict {
    let shared = Arc::new(Shared::default());
    let _stops = StopsWork(shared.clone());
    let (app, told) = (job.app.clone(), shared.clone());
    let mut working = tokio::task::spawn_blocking(move || do_it(&app, &work, &told));
    let done = loop {
        tokio::select! {
            done = &mut working => break done.unwrap_or(Err(BackupError::Stopped)),
            () = tokio::time::sleep(REPORT_EVERY) => job.mention(shared.progress()).await,
        }
    };
    if job.report(shared.progress(), Vec::new()).await.is_err() {
        tracing::warn!("how much a backup job did could not be noted");
    }
    done.map(Some).map_err(|error| {
        tracing::error!(code = error.code(), %error, "a backup job has failed");
        format!("{}: {error}", error.code())
    })
}

fn do_it(app: &App, work: &Work, shared: &Shared) -> Result<String, BackupError> {
    let tell = |done: u64, total: u64| {
        shared.total.store(total, Ordering::Relaxed);
        shared.done.store(done, Ordering::Relaxed);
        !shared.stop.load(Ordering::Relaxed)
    };
    match work {
        Work::Create => {
            let index = |view: &storage::View<'_>| app.core.applied_index(view);
            let version = app.core.active_version();
            let images = || {
                Handle::current().block_on(app.core.gather_images());
                app.core.blobs().clone()
            };
            let now = app.clock.now();
            let (name, manifest) = app.backups.create(app.core.store(), images, index, version, now, tell)?;
            tracing::info!(%name, index = manifest.index, records = manifest.records, "backup made");
            let (index, digest) = (manifest.index, manifest.digest);
            Ok(format!("backup {name} has the shop at index {index}, digest {digest}"))
        }
        Work::Verify(name) => {
            let manifest = app.backups.verify(name, tell)?;
            let (index, digest) = (manifest.index, manifest.digest);
            Ok(format!("backup {name} is whole: index {index}, digest {digest}"))
        }
    }
}
