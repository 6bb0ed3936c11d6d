//! Long work that can be watched.

use axum::response::Response;
use shop::Code;
use shop::broker::http::{JobView, JobsQuery};
use shop::broker::queries;
use shop::http::Page;
use shop::ids::JobId;
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, PathId, Policy, Problem, Query, Routes};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::CatalogRead))
        .add(routes!(get), Policy::only(Scope::CatalogRead))
}

/// Lists jobs, newest first.
#[utoipa::path(
    get, path = "/admin/v1/jobs", tag = "jobs", operation_id = "list_jobs",
    params(JobsQuery),
    responses((status = 200, description = "Jobs", body = Page<JobView>))
)]
async fn list(call: Call, Query(query): Query<JobsQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let seen = call
        .read(move |view| Ok(Page::of(queries::jobs(view, after, limit)?, |(id, job)| JobView::of(id, job))));
    seen.await?.answer()
}

/// How far a job is.
#[utoipa::path(
    get, path = "/admin/v1/jobs/{id}", tag = "jobs", operation_id = "get_job",
    params(("id" = JobId, Path)),
    responses((status = 200, description = "The job", body = JobView))
)]
async fn get(call: Call, PathId(id): PathId<JobId>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let missing = || Problem::new(Code::NotFound, "there is no such job");
        Ok(JobView::of(id, queries::job(view, id)?.ok_or_else(missing)?))
    });
    seen.await?.answer()
}
