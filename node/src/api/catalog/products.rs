//! Products, for staff.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use shop::Code;
use shop::catalog::http::{ProductInput, ProductView, ProductsQuery, patch_product};
use shop::catalog::{DeleteProduct, Outcome, product, products};
use shop::http::Page;
use shop::ids::ProductId;
use shop::user::Scope;
use utoipa_axum::routes;

use super::images::confirm;
use crate::gateway::{
    Call, Done, Json, PathId, Policy, Problem, Query, Routes, Tagged, expected_revision, unexpected,
};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::CatalogRead))
        .add(routes!(create), Policy::only(Scope::CatalogWrite))
        .add(routes!(get), Policy::only(Scope::CatalogRead))
        .add(routes!(patch), Policy::only(Scope::CatalogWrite).conditional())
        .add(routes!(delete), Policy::only(Scope::CatalogWrite).conditional())
}

pub(super) fn missing() -> Problem {
    Problem::new(Code::NotFound, "there is no such product")
}

/// Lists all products, drafts included.
#[utoipa::path(
    get, path = "/admin/v1/products", tag = "catalog", operation_id = "list_products",
    params(ProductsQuery),
    responses((status = 200, description = "Products", body = Page<ProductView>))
)]
async fn list(call: Call, Query(query): Query<ProductsQuery>) -> Result<Response, Problem> {
    let (filter, after, limit) = query.read()?;
    let seen = call.read(move |view| {
        Ok(Page::of(products(view, &filter, after, limit)?, |(id, product)| ProductView::of(id, &product)))
    });
    seen.await?.answer()
}

/// Creates a product with its variants.
#[utoipa::path(
    post, path = "/admin/v1/products", tag = "catalog", operation_id = "create_product",
    request_body = ProductInput,
    responses((status = 201, description = "The product", body = ProductView))
)]
async fn create(call: Call, body: Json<ProductInput>) -> Result<Response, Problem> {
    let command = body.value.command()?;
    confirm(&call, &command.content).await?;
    let done = call.carry_out(command, body.fingerprint).await?;
    let view = view_of(&done)?;
    done.created(&format!("/admin/v1/products/{}", view.id), &view)?.tagged(view.revision)
}

/// One product.
#[utoipa::path(
    get, path = "/admin/v1/products/{id}", tag = "catalog", operation_id = "get_product",
    params(("id" = ProductId, Path)),
    responses((status = 200, description = "The product", body = ProductView), (status = 304, description = "Not changed"))
)]
async fn get(call: Call, PathId(id): PathId<ProductId>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let product = product(view, id)?.ok_or_else(missing)?;
        Ok(ProductView::of(id, &product))
    });
    let seen = seen.await?;
    seen.answer_revision(seen.value.revision, &call)
}

/// Changes a product by a merge patch (RFC 7396).
#[utoipa::path(
    patch, path = "/admin/v1/products/{id}", tag = "catalog", operation_id = "patch_product",
    params(("id" = ProductId, Path)),
    request_body(content = ProductInput, content_type = "application/merge-patch+json", description = "Any of the members; null removes one"),
    responses((status = 200, description = "The product as it is now", body = ProductView))
)]
async fn patch(call: Call, PathId(id): PathId<ProductId>, body: Json<Value>) -> Result<Response, Problem> {
    let expected = expected_revision(&call.headers)?;
    let current = call.read(move |view| product(view, id)?.ok_or_else(missing)).await?;
    let mut command = patch_product(id, &current.value, body.value)?;
    confirm(&call, &command.content).await?;
    // Apply compares: a repetition of what was carried out is answered as before, whatever the revision is now.
    command.if_revision = expected.unwrap_or(command.if_revision);
    let done = call.carry_out(command, body.fingerprint).await?;
    let view = view_of(&done)?;
    done.answer(StatusCode::OK, &view)?.tagged(view.revision)
}

/// Deletes a product and its variants.
#[utoipa::path(
    delete, path = "/admin/v1/products/{id}", tag = "catalog", operation_id = "delete_product",
    params(("id" = ProductId, Path)),
    responses((status = 204, description = "It is gone"))
)]
async fn delete(call: Call, PathId(id): PathId<ProductId>) -> Result<Response, Problem> {
    let command = DeleteProduct { id, if_revision: expected_revision(&call.headers)? };
    Ok(call.carry_out(command, call.no_body()).await?.no_content())
}

fn view_of(done: &Done) -> Result<ProductView, Problem> {
    match &done.outcome {
        shop::Outcome::Catalog(Outcome::Product { id, product }) => Ok(ProductView::of(*id, product)),
        other => Err(unexpected(other)),
    }
}
