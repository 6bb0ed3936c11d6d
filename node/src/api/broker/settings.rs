//! The shop's settings.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use shop::broker::http::{SettingsInput, SettingsView, patch_settings};
use shop::broker::{Outcome, settings};
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Json, Policy, Problem, Routes, Tagged, expected_revision, unexpected};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(get), Policy::only(Scope::SettingsWrite))
        .add(routes!(patch), Policy::only(Scope::SettingsWrite).conditional())
}

/// The settings in force.
#[utoipa::path(
    get, path = "/admin/v1/settings", tag = "settings", operation_id = "get_settings",
    responses((status = 200, description = "The settings", body = SettingsView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    let seen = call.read(|view| Ok(SettingsView::from(&settings(view)?))).await?;
    seen.answer_revision(seen.value.revision, &call)
}

/// Changes the settings by a merge patch (RFC 7396).
#[utoipa::path(
    patch, path = "/admin/v1/settings", tag = "settings", operation_id = "patch_settings",
    request_body(content = SettingsInput, content_type = "application/merge-patch+json", description = "Any of the members"),
    responses((status = 200, description = "The settings as they are now", body = SettingsView))
)]
async fn patch(call: Call, body: Json<Value>) -> Result<Response, Problem> {
    let expected = expected_revision(&call.headers)?;
    let current = call.read(|view| Ok(settings(view)?)).await?;
    let mut command = patch_settings(&current.value, body.value)?;
    // Apply compares: a repetition of what was carried out is answered as before, whatever the revision is now.
    command.if_revision = expected.or(command.if_revision);
    let done = call.carry_out(command, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::Broker(Outcome::Settings(settings)) => {
            let view = SettingsView::from(settings);
            done.answer(StatusCode::OK, &view)?.tagged(view.revision)
        }
        other => Err(unexpected(other)),
    }
}
