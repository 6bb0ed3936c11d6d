//! Products and their variants.

use serde::{Deserialize, Serialize};

use crate::catalog::{Backorder, Sku, SkuRecord, Slug};
use crate::ids::{ProductId, VariantId};
use crate::money::Money;
use crate::table;
use crate::tables::Present;
use crate::time::Timestamp;

/// The most variants of a product.
pub const MAX_VARIANTS: usize = 100;
/// The most options of a product.
pub const MAX_OPTIONS: usize = 5;
/// The most currencies that a variant has prices in.
pub const MAX_PRICES: usize = 20;
/// The most images of a product.
pub const MAX_IMAGES: usize = 50;
/// The most tags of a product.
pub const MAX_TAGS: usize = 100;
/// The longest description, in bytes of UTF-8: records are read and written whole.
pub const MAX_DESCRIPTION_BYTES: usize = 32 * 1024;

table!(
    /// Products, in the order of their creation.
    Products, PRODUCTS, ProductId => Product
);

table!(
    /// Products by slug: unique across the shop.
    ProductsBySlug, PRODUCTS_BY_SLUG, Slug => ProductId
);

table!(
    /// Products by status, in the order of their creation.
    ProductsByStatus, PRODUCTS_BY_STATUS, (Status, ProductId) => Present
);

table!(
    /// Products by category and status, in the order of their creation.
    ProductsByCategory, PRODUCTS_BY_CATEGORY, (Slug, Status, ProductId) => Present
);

/// Whether a product can be seen and bought. Stored by position: append only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "http", schema(as = ProductStatus))]
pub enum Status {
    /// Not yet for sale.
    #[default]
    Draft,
    /// For sale.
    Published,
    /// No longer for sale; kept for the orders that name it.
    Archived,
}

impl Status {
    /// All of them, in stored order.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Published, Self::Archived];

    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Archived => "archived",
        }
    }
}

impl storage::Key for Status {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, storage::Fault> {
        let position = u8::decode(input)?;
        let unknown = || storage::Fault::corrupt("a key", format!("{position} is no status of a product"));
        Self::ALL.get(usize::from(position)).copied().ok_or_else(unknown)
    }
}

/// A product, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub title: String,
    pub slug: Slug,
    pub description: String,
    pub status: Status,
    pub category: Option<Slug>,
    pub vendor: Option<String>,
    pub tags: Vec<String>,
    /// The names of its options, like `size`.
    pub options: Vec<String>,
    /// 1 to [`MAX_VARIANTS`].
    pub variants: Vec<Variant>,
    /// URLs.
    pub images: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the changes from 1.
    pub revision: u64,
}

storage::versioned!(Product, 1);

/// One thing that can be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    pub id: VariantId,
    pub sku: Sku,
    /// The value of each of the product's options, in their order.
    pub options: Vec<String>,
    /// At most one per currency.
    pub prices: Vec<Money>,
    pub backorder: Backorder,
}

impl Product {
    /// The row that placing an order reads for one of its variants.
    pub fn sku_record(&self, id: ProductId, variant: &Variant) -> SkuRecord {
        SkuRecord {
            product: id,
            variant: variant.id,
            title: self.title.clone(),
            options: variant.options.join(" / "),
            sellable: self.status == Status::Published,
            prices: variant.prices.clone(),
            backorder: variant.backorder,
        }
    }

    /// What of it comes from whoever wrote it.
    pub fn content(&self) -> Content {
        let variant = |variant: &Variant| VariantContent {
            sku: variant.sku.clone(),
            options: variant.options.clone(),
            prices: variant.prices.clone(),
            backorder: variant.backorder,
        };
        Content {
            title: self.title.clone(),
            slug: self.slug.clone(),
            description: self.description.clone(),
            status: self.status,
            category: self.category.clone(),
            category_title: None,
            vendor: self.vendor.clone(),
            tags: self.tags.clone(),
            options: self.options.clone(),
            variants: self.variants.iter().map(variant).collect(),
            images: self.images.clone(),
        }
    }

    /// Whether writing this content would change nothing.
    pub fn has(&self, content: &Content) -> bool {
        self.content() == Content { category_title: None, ..content.clone() }
    }
}

/// A product as whoever writes it says it: checked before it is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub title: String,
    pub slug: Slug,
    pub description: String,
    pub status: Status,
    pub category: Option<Slug>,
    /// The category is made with this title if it is not there yet; without one it must be there.
    pub category_title: Option<String>,
    pub vendor: Option<String>,
    pub tags: Vec<String>,
    pub options: Vec<String>,
    pub variants: Vec<VariantContent>,
    pub images: Vec<String>,
}

/// A variant as whoever writes it says it. It is the same variant as before if its SKU is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantContent {
    pub sku: Sku,
    pub options: Vec<String>,
    pub prices: Vec<Money>,
    pub backorder: Backorder,
}
