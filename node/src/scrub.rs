//! Scrub: reads all of this node's state, slowly and beside its work, and compares it with the digests that it keeps.
//!
//! Nodes compare digests all the time (`fence`), but a digest is of what was written. What a disk has lost or changed since
//! shows only when it is read, and a record may not be read for months. It owns when; how is storage's. A node whose records are
//! damaged goes the way of one that was outvoted, if a majority is there without it: it fetches a copy. Alone it stops.

use std::path::PathBuf;
use std::time::Duration;

use storage::{Fault, ScrubReport};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::compaction::{blocking, is_harmless, rest};
use crate::config::Storage as Settings;
use crate::fence::{Reason, named};
use crate::replica::Replica;
use crate::telemetry::Metrics;

/// After a start that followed a crash: the node catches up and serves first.
const AFTER_CRASH: Duration = Duration::from_secs(60);
/// What was broken off by an export that could not go on is begun again then.
const AGAIN: Duration = Duration::from_secs(600);
/// A damaged node that nobody could replace looks so often whether somebody can.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a scrub needs of its node.
#[derive(Debug, Clone)]
pub struct Parts {
    pub replica: Replica,
    pub clock: SystemClock,
    pub settings: Settings,
    pub metrics: Metrics,
    /// The node's directory.
    pub root: PathBuf,
}

/// Scrubs again and again until `stop`. Returns before that when this node is out of service.
///
/// # Errors
/// A fault of this node's state, which must end the node.
pub async fn run(parts: &Parts, stop: &CancellationToken) -> Result<Option<Reason>, Fault> {
    let mut pause = first_pause(&parts.settings, parts.replica.store.was_closed());
    while let Some(due) = pause {
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(due) => {}
        }
        pause = match scrub(parts, stop).await? {
            None => Some(AGAIN),
            Some(report) if report.is_clean() => every(&parts.settings),
            Some(report) => return damaged(parts, &report, stop).await,
        };
    }
    stop.cancelled().await;
    Ok(None)
}

/// After a crash soon: that is when files are damaged.
fn first_pause(settings: &Settings, was_closed: bool) -> Option<Duration> {
    every(settings).map(|every| if was_closed { every } else { every.min(AFTER_CRASH) })
}

fn every(settings: &Settings) -> Option<Duration> {
    (settings.scrub_every_hours > 0).then(|| Duration::from_secs(settings.scrub_every_hours * 3_600))
}

/// Reads everything once; `None` if it did not come to an end.
async fn scrub(parts: &Parts, stop: &CancellationToken) -> Result<Option<ScrubReport>, Fault> {
    let (store, stop) = (parts.replica.store.clone(), stop.clone());
    let began = std::time::Instant::now();
    let report = match blocking(move || store.scrub_at_leisure(|took| rest(took, &stop))).await {
        Err(fault) if is_harmless(&fault) => {
            tracing::info!(%fault, code = fault.code(), "the state was not read to its end");
            return Ok(None);
        }
        report => report?,
    };
    let tables = report.damaged_tables();
    parts.metrics.storage.scrubbed(parts.clock.now_ms(), tables.len());
    let (records, bytes, took_ms) = (report.records, report.bytes, began.elapsed().as_millis() as u64);
    if report.is_clean() {
        tracing::info!(records, bytes, took_ms, "all of the state is what its digests say");
    } else {
        let tables = named(&tables);
        tracing::error!(records, bytes, took_ms, tables, "records of this node are damaged");
    }
    Ok(Some(report))
}

/// Waits until the others can do without this node. One that has no others to ask ends by its fault.
async fn damaged(
    parts: &Parts,
    report: &ScrubReport,
    stop: &CancellationToken,
) -> Result<Option<Reason>, Fault> {
    let Parts { replica, metrics, root, .. } = parts;
    let tables = report.damaged_tables();
    let mut is_told = false;
    loop {
        let status = replica.host.status();
        if !status.members.iter().any(|member| member.voter && member.id != status.node) {
            return Err(Fault::DigestMismatch {
                what: "a scrub",
                found: report.found.to_string(),
                expected: report.kept.to_string(),
            });
        }
        if let Some(reason) = replica.fence.close_damaged(&tables, replica, root, metrics).await {
            return Ok(Some(reason));
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::error!(
                "no majority of the others answers: this node serves on until one can give it a copy"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests;
