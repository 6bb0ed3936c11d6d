//! What is published, for everybody, as this node has it: strong entity tags, so that caches only ask again.

use axum::response::Response;
use shop::catalog::http::{CategoriesQuery, CategoryView, ProductView, StoreProductsQuery};
use shop::catalog::{Slug, Status, categories, product_id, products, stored_product};
use shop::http::Page;
use shop::ids::ProductId;
use utoipa_axum::routes;

use super::products::missing;
use crate::gateway::{Call, PathId, Policy, Problem, Query, Routes, Shown};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list_products), Policy::open())
        .add(routes!(get_product), Policy::open())
        .add(routes!(list_categories), Policy::open())
}

/// Lists the published products.
#[utoipa::path(
    get, path = "/store/v1/products", tag = "store", operation_id = "list_store_products",
    params(StoreProductsQuery),
    responses((status = 200, description = "Products", body = Page<ProductView>), (status = 304, description = "Not changed"))
)]
async fn list_products(call: Call, Query(query): Query<StoreProductsQuery>) -> Result<Response, Problem> {
    let (filter, after, limit) = query.read()?;
    let seen = call.read(move |view| {
        Ok(Page::of(products(view, &filter, after, limit)?, |(id, product)| ProductView::of(id, &product)))
    });
    seen.await?.answer_public(&call)
}

/// One published product, by id or slug.
#[utoipa::path(
    get, path = "/store/v1/products/{id_or_slug}", tag = "store", operation_id = "get_store_product",
    params(("id_or_slug" = String, Path, description = "Its id or its slug", example = "green-tea")),
    responses((status = 200, description = "The product", body = ProductView), (status = 304, description = "Not changed"))
)]
async fn get_product(call: Call, PathId(name): PathId<String>) -> Result<Response, Problem> {
    let seen = call.read_records(|view| {
        let id = match (name.parse::<ProductId>(), name.parse::<Slug>()) {
            (Ok(id), _) => Some(id),
            (_, Ok(slug)) => product_id(view, &slug)?,
            _ => None,
        };
        let id = id.ok_or_else(missing)?;
        let stored = stored_product(view, id)?.ok_or_else(missing)?;
        call.app.rendered.page(id, stored.bytes(), || {
            let product = stored.value()?;
            if product.status != Status::Published {
                return Err(missing());
            }
            Shown::of(&ProductView::of(id, &product))
        })
    });
    seen.await?.answer_shown(&call)
}

/// Lists the categories.
#[utoipa::path(
    get, path = "/store/v1/categories", tag = "store", operation_id = "list_store_categories",
    params(CategoriesQuery),
    responses((status = 200, description = "Categories", body = Page<CategoryView>), (status = 304, description = "Not changed"))
)]
async fn list_categories(call: Call, Query(query): Query<CategoriesQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let seen = call.read(move |view| {
        Ok(Page::of(categories(view, after, limit)?, |(slug, category)| CategoryView::of(slug, &category)))
    });
    seen.await?.answer_public(&call)
}
