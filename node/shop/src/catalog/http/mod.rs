//! The catalogue in the HTTP API: request bodies that become commands, and views of records.

mod category;
mod image;
mod list;
mod product;
mod view;

pub use category::{CategoryInput, CategoryPatch, CategoryView};
pub use image::{ImageBytes, ImageView};
pub use list::{CategoriesQuery, ProductsQuery, StoreProductsQuery};
pub use product::{ProductInput, VariantInput, check_content, patch_product};
pub use view::{ProductView, VariantView};
