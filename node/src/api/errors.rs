//! The pages that the `type` of a problem points at.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::Code;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::gateway::{Policy, Problem, Routes, json};

pub fn routes(routes: Routes) -> Routes {
    routes.add(routes!(get), Policy::open().stateless())
}

/// What an error code means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorPage {
    #[schema(example = "out_of_stock")]
    pub code: String,
    /// The HTTP status it comes with.
    #[schema(example = 409)]
    pub status: u16,
    #[schema(example = "There is not enough stock")]
    pub title: String,
    /// What to do about it.
    pub advice: String,
}

/// Explains an error code.
#[utoipa::path(
    get, path = "/errors/{code}", tag = "operations", operation_id = "explain_error",
    params(("code" = String, Path, description = "The `code` of a problem", example = "out_of_stock")),
    responses((status = 200, description = "The page of the code", body = ErrorPage))
)]
async fn get(Path(text): Path<String>) -> Result<Response, Problem> {
    let Some(code) = Code::find(&text) else {
        return Err(Problem::new(Code::NotFound, "no error has this code"));
    };
    let page = ErrorPage {
        code: code.as_str().to_owned(),
        status: code.status(),
        title: code.title().to_owned(),
        advice: code.advice().to_owned(),
    };
    json(StatusCode::OK, &page, None)
}
