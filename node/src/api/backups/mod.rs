//! Backups of the node that is asked: begun, listed, verified. A request names a backup, never a place.

mod run;
#[cfg(test)]
mod tests;

use axum::response::Response;
use http::StatusCode;
use shop::broker::http::{BackupManifest, BackupView, BackupsQuery, JobAccepted};
use shop::broker::{CreateJob, JobKind};
use shop::http::{Cursor, Page};
use shop::user::Scope;
use shop::{Code, Rejection};
use utoipa_axum::routes;

use crate::api::jobs::accept;
use crate::backup::{BackupError, Name, Shelved};
use crate::gateway::{Call, Empty, MaybeJson, PathId, Policy, Problem, Query, Routes, json};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::staff(Scope::BackupsWrite).stateless())
        .add(routes!(create), Policy::staff(Scope::BackupsWrite))
        .add(routes!(verify), Policy::staff(Scope::BackupsWrite))
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Problem {
        match error {
            BackupError::NotConfigured(_) => Problem::new(Code::BackupNotConfigured, error.to_string()),
            BackupError::Unknown(_) => Problem::new(Code::NotFound, error.to_string()),
            other => {
                // Paths are the operator's business, not the caller's: the log has them.
                tracing::warn!(code = other.code(), error = %other, "backups cannot be used");
                Problem::new(Code::BackupUnusable, format!("{}; the node's log says more", other.code()))
            }
        }
    }
}

/// Lists the backups that the node which answers keeps, newest first: none, if it is not configured to keep any.
#[utoipa::path(
    get, path = "/admin/v1/backups", tag = "backups", operation_id = "list_backups",
    params(BackupsQuery),
    responses((status = 200, description = "Backups", body = Page<BackupView>))
)]
async fn list(call: Call, Query(query): Query<BackupsQuery>) -> Result<Response, Problem> {
    let before: Option<String> = query.cursor.as_ref().map(Cursor::key).transpose()?;
    let bad = |_| Rejection::new(Code::InvalidParameter, "cursor: this is no cursor of this list");
    let before: Option<Name> = before.map(|name| name.parse()).transpose().map_err(bad)?;
    let limit = query.limit.unwrap_or_default().get();
    let (keeper, node) = (call.app.backups.clone(), call.app.node);
    let listed = tokio::task::spawn_blocking(move || match keeper.shelf() {
        Err(BackupError::NotConfigured(_)) => Ok(Vec::new()),
        shelf => shelf?.list(before.as_ref(), limit + 1),
    });
    let mut found = listed.await.map_err(|_| Problem::new(Code::Internal, "the backups were not read"))??;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| Cursor::at(&last.name.to_string()));
    let data = found.into_iter().map(|shelved| view(node, shelved)).collect();
    json(StatusCode::OK, &Page { data, next_cursor }, None)
}

fn view(node: u64, shelved: Shelved) -> BackupView {
    let manifest = shelved.manifest.map(|manifest| BackupManifest {
        cluster: manifest.cluster,
        cluster_id: manifest.cluster_id,
        index: manifest.index,
        records: manifest.records,
        digest: manifest.digest,
        created_at: manifest.created_at,
        shopnode: manifest.shopnode,
    });
    BackupView { name: shelved.name.to_string(), node, bytes: shelved.bytes, manifest }
}

/// Begins a backup of the shop as it is now, to the place that the node which answers is configured with. Watch the
/// job; when it is completed, its detail has the backup's name.
#[utoipa::path(
    post, path = "/admin/v1/backups", tag = "backups", operation_id = "create_backup",
    request_body = Empty,
    responses((status = 202, description = "The job", body = JobAccepted))
)]
async fn create(call: Call, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    let keeper = call.app.backups.clone();
    let checked = tokio::task::spawn_blocking(move || keeper.check()).await;
    checked.map_err(|_| Problem::new(Code::Internal, "the backups were not read"))??;
    begin(&call, body.fingerprint, JobKind::Backup, run::Work::Create).await
}

/// Begins to read a whole backup: every chunk, every checksum, every record, and the digest of each table.
#[utoipa::path(
    post, path = "/admin/v1/backups/{name}/verify", tag = "backups", operation_id = "verify_backup",
    params(("name" = String, Path, description = "As the list has it")),
    request_body = Empty,
    responses((status = 202, description = "The job", body = JobAccepted))
)]
async fn verify(call: Call, PathId(name): PathId<Name>, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    let (keeper, wanted) = (call.app.backups.clone(), name.clone());
    let found = tokio::task::spawn_blocking(move || keeper.shelf()?.find(&wanted)).await;
    found.map_err(|_| Problem::new(Code::Internal, "the backups were not read"))??;
    begin(&call, body.fingerprint, JobKind::BackupVerification, run::Work::Verify(name)).await
}

async fn begin(
    call: &Call,
    fingerprint: [u8; 32],
    kind: JobKind,
    work: run::Work,
) -> Result<Response, Problem> {
    let place = call.app.jobs.begin()?;
    let command = CreateJob { kind, node: call.app.node, dry_run: false, total: 0 };
    accept(call, place, fingerprint, command, |job| run::run(job, work)).await
}
