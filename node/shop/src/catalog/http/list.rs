use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::catalog::{Filter, Slug, Status};
use crate::http::{Cursor, Limit, Sort};
use crate::ids::ProductId;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The query of `GET /admin/v1/products`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ProductsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The slug of a category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Slug>,
    /// Created at this time or later.
    #[serde(rename = "created_at[gte]", skip_serializing_if = "Option::is_none")]
    pub created_from: Option<Timestamp>,
    /// Created before this time.
    #[serde(rename = "created_at[lt]", skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

impl ProductsQuery {
    /// What to ask of [`crate::catalog::products`]: filter, `after`, limit.
    pub fn read(&self) -> Result<(Filter, Option<ProductId>, usize), Rejection> {
        let filter = Filter {
            status: self.status,
            category: self.category.clone(),
            created_from: self.created_from,
            created_before: self.created_before,
            newest_first: self.sort.unwrap_or_default() == Sort::NewestFirst,
        };
        let after = self.cursor.as_ref().map(Cursor::key).transpose()?;
        Ok((filter, after, self.limit.unwrap_or_default().get()))
    }
}

/// The query of `GET /store/v1/products`: only what is published is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StoreProductsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The slug of a category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Slug>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

impl StoreProductsQuery {
    /// What to ask of [`crate::catalog::products`]: filter, `after`, limit.
    pub fn read(&self) -> Result<(Filter, Option<ProductId>, usize), Rejection> {
        let query = ProductsQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
            status: Some(Status::Published),
            category: self.category.clone(),
            sort: self.sort,
            ..ProductsQuery::default()
        };
        query.read()
    }
}

/// The query of the lists of categories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CategoriesQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl CategoriesQuery {
    /// What to ask of [`crate::catalog::categories`]: `after`, limit.
    pub fn read(&self) -> Result<(Option<Slug>, usize), Rejection> {
        Ok((self.cursor.as_ref().map(Cursor::key).transpose()?, self.limit.unwrap_or_default().get()))
    }
}
