//! Product imports: a CSV in, a job out. It is done in chunks through the log, so that a crash loses no chunk that was
//! done, and the same file may be sent again, because importing twice changes nothing.

mod run;

use axum::response::Response;
use serde::{Deserialize, Serialize};
use shop::broker::http::JobAccepted;
use shop::broker::{CreateJob, JobKind, settings};
use shop::user::Scope;
use shop::{Code, catalog};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::api::jobs::accept;
use crate::gateway::{Call, Media, Policy, Problem, Query, Raw, Routes};

/// The largest file: 10 MiB.
const FILE_BYTES: usize = 10 * 1024 * 1024;

pub fn routes(routes: Routes) -> Routes {
    let policy = Policy::only(Scope::CatalogWrite).key_required();
    routes.add(routes!(create), policy.reads(Media::Csv, Some(FILE_BYTES)))
}

/// The query of `POST /admin/v1/imports`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only look: tell the errors and how many products would change, and write nothing.
    pub dry_run: bool,
}

/// Imports products and stock from the CSV that Shopify exports. Watch the job for progress and errors by row and column.
#[utoipa::path(
    post, path = "/admin/v1/imports", tag = "catalog", operation_id = "import_products",
    params(ImportQuery),
    request_body(content = String, content_type = "text/csv", description = "At most 10 MiB"),
    responses((status = 202, description = "The job", body = JobAccepted))
)]
async fn create(call: Call, Query(query): Query<ImportQuery>, Raw(file): Raw) -> Result<Response, Problem> {
    let place = call.app.jobs.begin()?;
    // Looking and doing are two requests, also under one key.
    let fingerprint = call.fingerprint(&[&file[..], &[u8::from(query.dry_run)]].concat());
    let currency = call.read(|view| Ok(settings(view)?.currency)).await?.value;
    let parsed = tokio::task::spawn_blocking(move || catalog::import::parse(&file, currency));
    let import = parsed.await.map_err(|_| Problem::new(Code::Internal, "the file could not be read"))?;
    let command = CreateJob {
        kind: JobKind::ProductImport,
        node: call.app.node,
        dry_run: query.dry_run,
        total: run::total(&import),
    };
    accept(&call, place, fingerprint, command, |job| run::run(job, import, query.dry_run)).await
}
