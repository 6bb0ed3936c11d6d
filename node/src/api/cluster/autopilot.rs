//! What the autopilot goes by.

use axum::response::Response;
use http::StatusCode;
use shop::cluster::{self, Autopilot, Outcome, SetAutopilot};
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Json, Policy, Problem, Routes, unexpected};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(get), Policy::only(Scope::ClusterRead))
        .add(routes!(put), Policy::only(Scope::ClusterWrite))
}

/// What the autopilot goes by.
#[utoipa::path(
    get, path = "/admin/v1/cluster/autopilot", tag = "cluster", operation_id = "get_autopilot",
    responses((status = 200, description = "The settings", body = Autopilot))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    call.read(|view| Ok(cluster::autopilot(view)?)).await?.answer()
}

/// Replaces what the autopilot goes by.
#[utoipa::path(
    put, path = "/admin/v1/cluster/autopilot", tag = "cluster", operation_id = "put_autopilot",
    request_body = Autopilot,
    responses((status = 200, description = "The settings as they are now", body = Autopilot))
)]
async fn put(call: Call, body: Json<Autopilot>) -> Result<Response, Problem> {
    let done = call.carry_out(SetAutopilot { autopilot: body.value }, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::Cluster(Outcome::Autopilot(autopilot)) => done.answer(StatusCode::OK, autopilot),
        other => Err(unexpected(other)),
    }
}
