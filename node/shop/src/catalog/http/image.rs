use serde::{Deserialize, Serialize};
use storage::BlobHash;
use utoipa::ToSchema;

use crate::catalog::{Content, ImageType, image_in, image_url};

/// The bytes of an image, as they are.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct ImageBytes(pub Vec<u8>);

/// An image that the shop keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageView {
    /// The SHA-256 of its bytes.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
    /// Where it is, on every node of this shop: what a product names.
    pub url: String,
    #[schema(example = "image/png")]
    pub content_type: String,
    pub bytes: u64,
}

impl ImageView {
    pub fn of(hash: BlobHash, format: ImageType, bytes: u64) -> Self {
        let content_type = format.as_str().to_owned();
        Self { hash: hash.to_string(), url: image_url(hash), content_type, bytes }
    }
}

impl Content {
    /// The images of the product that the shop itself keeps, each with its place among all of them.
    pub fn own_images(&self) -> impl Iterator<Item = (usize, BlobHash)> {
        self.images.iter().enumerate().filter_map(|(at, url)| Some((at, image_in(url)?.ok()?)))
    }
}
