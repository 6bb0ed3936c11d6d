//! The catalogue: products with their variants, SKUs and prices, and categories.
//!
//! It owns what is for sale and for how much. It never knows how many there are (`inventory`), nor what was sold
//! (`order` copies what it needs out of [`SkuRecord`]).

mod category;
pub(crate) mod commands;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod image;
#[cfg(feature = "http")]
pub mod import;
mod outcome;
mod product;
mod queries;
mod save;
mod sku;
mod slug;

pub use category::{Categories, Category};
pub use commands::{
    Command, CreateCategory, CreateProduct, DeleteProduct, UpdateCategory, UpdateProduct, UpsertProducts,
};
pub use event::Event;
pub use image::{ImageType, image_in, image_url};
pub use outcome::{Change, Outcome, Upserted};
pub use product::{
    Content, MAX_DESCRIPTION_BYTES, MAX_IMAGES, MAX_OPTIONS, MAX_PRICES, MAX_TAGS, MAX_VARIANTS, Product,
    Products, ProductsByCategory, ProductsBySlug, ProductsByStatus, Status, Variant, VariantContent,
};
pub use queries::{
    Filter, categories, category, product, product_by_slug, product_id, products, sku, stored_product,
};
pub use sku::{Backorder, MAX_SKU_LEN, ParseSkuError, Sku, SkuRecord, Skus};
pub use slug::{MAX_SLUG_CHARS, ParseSlugError, Slug};
