//! `shopctl product image`: a file becomes an image of the shop.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use shop::catalog::ImageType;
use shop::catalog::http::ImageView;

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{Cell, Table};

/// The largest image that the shop takes.
const MAX_FILE_BYTES: u64 = 5 * 1024 * 1024;

/// Upload an image, and print the URL under which products name it
///
/// The same file again is the same image.
#[derive(Debug, clap::Args)]
pub struct Image {
    /// PNG, JPEG, WebP, GIF or AVIF file of at most 5 MiB
    file: PathBuf,
}

impl Image {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let shown = self.file.display();
        let wrong = |error: std::io::Error| Failure::Usage(format!("cannot read {shown}: {error}"));
        let mut bytes = Vec::new();
        let file = File::open(&self.file).map_err(wrong)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(Failure::Usage(format!("{shown} is larger than {MAX_FILE_BYTES} bytes")));
        }
        let format = ImageType::of(&bytes)
            .ok_or_else(|| Failure::Usage(format!("{shown} is no PNG, JPEG, WebP, GIF or AVIF image")))?;
        let payload = Payload::Image(format.as_str(), bytes.into());
        let answer = context.client.post(&["admin", "v1", "images"], &(), payload).await?;
        context.changed(&answer, |image: &ImageView| {
            let details = [("url", Cell::text(&image.url)), ("bytes", Cell::number(image.bytes))];
            (format!("{shown} is an image of the shop"), vec![Table::details(details)])
        })
    }
}
