use serde::{Deserialize, Serialize};

use crate::catalog::{Category, Product, Slug};
use crate::ids::ProductId;

/// What commands of this slice answer. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The product as the command left it.
    Product { id: ProductId, product: Product },
    /// The category as the command left it.
    Category { slug: Slug, category: Category },
    /// What became of each product of an upsert, in its order.
    Upserted { products: Vec<Upserted> },
}

/// What became of one product of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upserted {
    pub product: ProductId,
    pub change: Change,
}

/// How an upsert changed a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Created,
    Updated,
    /// It was so already: no event, no new revision.
    Unchanged,
}

impl From<Outcome> for crate::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self::Catalog(outcome)
    }
}
