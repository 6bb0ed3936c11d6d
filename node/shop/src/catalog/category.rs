//! Categories: a product is in at most one.

use serde::{Deserialize, Serialize};

use crate::catalog::Slug;
use crate::table;
use crate::time::Timestamp;

table!(
    /// Categories by slug.
    Categories, CATEGORIES, Slug => Category
);

/// A category. Its slug is its name for good; the title may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    pub title: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the changes from 1.
    pub revision: u64,
}

storage::versioned!(Category, 1);
