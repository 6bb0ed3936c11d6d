//! Categories, for staff.

use axum::response::Response;
use http::StatusCode;
use shop::Code;
use shop::catalog::http::{CategoriesQuery, CategoryInput, CategoryPatch, CategoryView};
use shop::catalog::{Outcome, Slug, categories, category};
use shop::http::Page;
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{
    Call, Done, Json, PathId, Policy, Problem, Query, Routes, Tagged, expected_revision, unexpected,
};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::CatalogRead))
        .add(routes!(create), Policy::only(Scope::CatalogWrite))
        .add(routes!(get), Policy::only(Scope::CatalogRead))
        .add(routes!(patch), Policy::only(Scope::CatalogWrite).conditional())
}

/// Lists the categories.
#[utoipa::path(
    get, path = "/admin/v1/categories", tag = "catalog", operation_id = "list_categories",
    params(CategoriesQuery),
    responses((status = 200, description = "Categories", body = Page<CategoryView>))
)]
async fn list(call: Call, Query(query): Query<CategoriesQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let seen = call.read(move |view| {
        Ok(Page::of(categories(view, after, limit)?, |(slug, category)| CategoryView::of(slug, &category)))
    });
    seen.await?.answer()
}

/// Creates a category.
#[utoipa::path(
    post, path = "/admin/v1/categories", tag = "catalog", operation_id = "create_category",
    request_body = CategoryInput,
    responses((status = 201, description = "The category", body = CategoryView))
)]
async fn create(call: Call, body: Json<CategoryInput>) -> Result<Response, Problem> {
    let done = call.carry_out(body.value.command()?, body.fingerprint).await?;
    let view = view_of(&done)?;
    done.created(&format!("/admin/v1/categories/{}", view.slug), &view)?.tagged(view.revision)
}

/// One category.
#[utoipa::path(
    get, path = "/admin/v1/categories/{slug}", tag = "catalog", operation_id = "get_category",
    params(("slug" = String, Path)),
    responses((status = 200, description = "The category", body = CategoryView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call, PathId(slug): PathId<Slug>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let missing = || Problem::new(Code::NotFound, "there is no such category");
        let category = category(view, &slug)?.ok_or_else(missing)?;
        Ok(CategoryView::of(slug, &category))
    });
    let seen = seen.await?;
    seen.answer_revision(seen.value.revision, &call)
}

/// Changes a category.
#[utoipa::path(
    patch, path = "/admin/v1/categories/{slug}", tag = "catalog", operation_id = "patch_category",
    params(("slug" = String, Path)),
    request_body(content = CategoryPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The category as it is now", body = CategoryView))
)]
async fn patch(
    call: Call,
    PathId(slug): PathId<Slug>,
    body: Json<CategoryPatch>,
) -> Result<Response, Problem> {
    let command = body.value.command(slug, expected_revision(&call.headers)?)?;
    let done = call.carry_out(command, body.fingerprint).await?;
    let view = view_of(&done)?;
    done.answer(StatusCode::OK, &view)?.tagged(view.revision)
}

fn view_of(done: &Done) -> Result<CategoryView, Problem> {
    match &done.outcome {
        shop::Outcome::Catalog(Outcome::Category { slug, category }) => {
            Ok(CategoryView::of(slug.clone(), category))
        }
        other => Err(unexpected(other)),
    }
}
