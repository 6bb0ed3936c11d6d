//! What happens in the catalogue: topic `catalog`.

use serde::{Deserialize, Serialize};

use crate::catalog::{Sku, Slug, Status};
use crate::event::Describe;
use crate::ids::{ProductId, VariantId};
use crate::money::Money;

/// Events of this slice. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    ProductCreated {
        product: ProductId,
        revision: u64,
        status: Status,
    },
    ProductUpdated {
        product: ProductId,
        revision: u64,
        status: Status,
    },
    ProductDeleted {
        product: ProductId,
    },
    /// A price in one currency was added (`before` is `None`), changed or removed (`after` is `None`).
    PriceChanged {
        product: ProductId,
        variant: VariantId,
        sku: Sku,
        before: Option<Money>,
        after: Option<Money>,
    },
    CategoryCreated {
        category: Slug,
    },
    CategoryUpdated {
        category: Slug,
        revision: u64,
    },
}

impl Describe for Event {
    fn kind(&self) -> String {
        let what = match self {
            Self::ProductCreated { .. } => "product.created",
            Self::ProductUpdated { .. } => "product.updated",
            Self::ProductDeleted { .. } => "product.deleted",
            Self::PriceChanged { .. } => "price.changed",
            Self::CategoryCreated { .. } => "category.created",
            Self::CategoryUpdated { .. } => "category.updated",
        };
        format!("shopnode.{what}.v1")
    }

    fn topic(&self) -> &str {
        "catalog"
    }

    fn key(&self) -> String {
        match self {
            Self::ProductCreated { product, .. }
            | Self::ProductUpdated { product, .. }
            | Self::ProductDeleted { product }
            | Self::PriceChanged { product, .. } => product.to_string(),
            Self::CategoryCreated { category } | Self::CategoryUpdated { category, .. } => {
                category.to_string()
            }
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::ProductCreated { product, revision, status }
            | Self::ProductUpdated { product, revision, status } => {
                json!({"product_id": product, "revision": revision, "status": status})
            }
            Self::ProductDeleted { product } => json!({"product_id": product}),
            Self::PriceChanged { product, variant, sku, before, after } => json!({
                "product_id": product, "variant_id": variant, "sku": sku, "before": before, "after": after,
            }),
            Self::CategoryCreated { category } => json!({"category": category}),
            Self::CategoryUpdated { category, revision } => {
                json!({"category": category, "revision": revision})
            }
        }
    }
}
