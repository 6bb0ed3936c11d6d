//! The OpenAPI document of all routes.

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use utoipa_axum::routes;

use crate::gateway::{Policy, Routes};

/// The document's text: made once.
#[derive(Debug, Clone)]
pub struct Text(Arc<str>);

pub fn text(document: &utoipa::openapi::OpenApi) -> Text {
    Text(document.to_json().unwrap_or_default().into())
}

pub fn routes(routes: Routes) -> Routes {
    routes.add(routes!(get), Policy::open().stateless())
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI 3.1 document of this API", body = serde_json::Value))
)]
async fn get(Extension(text): Extension<Text>) -> Response {
    ([(CONTENT_TYPE, "application/json")], text.0.to_string()).into_response()
}
