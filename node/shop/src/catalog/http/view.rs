use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{Backorder, Product, Sku, Slug, Status, Variant};
use crate::ids::{ProductId, VariantId};
use crate::money::Money;
use crate::time::Timestamp;

/// A product as the API shows it. Its entity tag is its revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductView {
    pub id: ProductId,
    pub title: String,
    pub slug: Slug,
    pub description: String,
    pub status: Status,
    pub category: Option<Slug>,
    pub vendor: Option<String>,
    pub tags: Vec<String>,
    /// The names of its options, in the order in which they are shown.
    pub options: Vec<String>,
    pub variants: Vec<VariantView>,
    /// URLs.
    pub images: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}

/// A variant as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VariantView {
    pub id: VariantId,
    pub sku: Sku,
    pub options: BTreeMap<String, String>,
    pub prices: Vec<Money>,
    pub backorder: Backorder,
}

impl ProductView {
    /// The view of a product.
    pub fn of(id: ProductId, product: &Product) -> Self {
        let variant = |variant: &Variant| VariantView {
            id: variant.id,
            sku: variant.sku.clone(),
            options: product.options.iter().cloned().zip(variant.options.iter().cloned()).collect(),
            prices: variant.prices.clone(),
            backorder: variant.backorder,
        };
        Self {
            id,
            title: product.title.clone(),
            slug: product.slug.clone(),
            description: product.description.clone(),
            status: product.status,
            category: product.category.clone(),
            vendor: product.vendor.clone(),
            tags: product.tags.clone(),
            options: product.options.clone(),
            variants: product.variants.iter().map(variant).collect(),
            images: product.images.clone(),
            created_at: product.created_at,
            updated_at: product.updated_at,
            revision: product.revision,
        }
    }
}
