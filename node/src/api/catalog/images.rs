//! Images that the shop keeps itself. What is uploaded is known by its hash from then on: it never changes, so that caches
//! may keep it, and uploading it again changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use shop::catalog::http::{ImageBytes, ImageView};
use shop::catalog::{Content, ImageType};
use shop::http::item;
use shop::rejection::At;
use shop::user::Scope;
use shop::{Code, Rejection};
use storage::{BlobHash, MAX_BLOB_BYTES};
use tokio_util::io::ReaderStream;
use utoipa_axum::routes;

use crate::gateway::{Call, Media, PathId, Policy, Problem, Raw, Routes, json, media_type, tagged};

/// How long an upload waits for its turn: bodies are in memory.
const TURN_LIMIT: Duration = Duration::from_secs(2);
/// So much of a file is in memory while it is sent.
const PIECE_BYTES: usize = 64 * 1024;
/// The bytes behind a hash never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub fn routes(routes: Routes) -> Routes {
    let upload = Policy::only(Scope::CatalogWrite).stateless();
    routes
        .add(routes!(create), upload.reads(Media::Image, Some(MAX_BLOB_BYTES)))
        .add(routes!(get), Policy::open().stateless())
}

/// Uploads an image: PNG, JPEG, WebP, GIF or AVIF. A majority of the nodes has it when this answers.
#[utoipa::path(
    post, path = "/admin/v1/images", tag = "catalog", operation_id = "upload_image",
    request_body(description = "At most 5 MiB, in the format that the Content-Type says", content(
        (ImageBytes = "image/png"), (ImageBytes = "image/jpeg"), (ImageBytes = "image/webp"), (ImageBytes = "image/gif"), (ImageBytes = "image/avif")
    )),
    responses((status = 201, description = "The image, also if it was there before", body = ImageView))
)]
async fn create(call: Call, request: Request) -> Result<Response, Problem> {
    let turn = tokio::time::timeout(TURN_LIMIT, call.app.uploads.acquire()).await;
    let _turn =
        turn.map_err(|_| Problem::new(Code::Overloaded, "other images are being uploaded").retry_after(1))?;
    let said = ImageType::parse(&media_type(request.headers()));
    let Raw(bytes) = Raw::from_request(request, &call.app).await?;
    let format = ImageType::of(&bytes).filter(|format| said == Some(*format)).ok_or_else(|| {
        Problem::new(
            Code::InvalidValue,
            "the bytes are not an image of the format that the Content-Type says",
        )
    })?;
    let length = bytes.len() as u64;
    let view = ImageView::of(call.app.core.keep_image(bytes).await?, format, length);
    let mut response = json(StatusCode::CREATED, &view, None)?;
    if let Ok(location) = HeaderValue::from_str(&view.url) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One image, by the SHA-256 of its bytes. It never changes.
#[utoipa::path(
    get, path = "/store/v1/images/{hash}", tag = "store", operation_id = "get_store_image",
    params(("hash" = String, Path, description = "As the upload has answered")),
    responses(
        (status = 200, description = "The image", content(
            (ImageBytes = "image/png"), (ImageBytes = "image/jpeg"), (ImageBytes = "image/webp"), (ImageBytes = "image/gif"), (ImageBytes = "image/avif")
        )),
        (status = 304, description = "Not changed")
    )
)]
async fn get(call: Call, PathId(hash): PathId<BlobHash>) -> Result<Response, Problem> {
    let found = call.app.core.image(hash).await?;
    let missing = || Problem::new(Code::NotFound, "there is no such image");
    let (image, format) =
        found.and_then(|image| image.format.map(|format| (image, format))).ok_or_else(missing)?;
    let file = tokio::fs::File::from_std(image.file);
    let mut response = Response::new(Body::from_stream(ReaderStream::with_capacity(file, PIECE_BYTES)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.as_str()));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(image.bytes));
    headers.insert(CACHE_CONTROL, FOR_EVER);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tagged(response, &format!("\"{hash}\""), &call.headers)
}

/// Sees to it that the images of the shop's own that a product names are there to stay.
///
/// # Errors
/// `invalid_value` with the place of each that nobody has; `no_quorum`.
pub(super) async fn confirm(call: &Call, content: &Content) -> Result<(), Problem> {
    let named: Vec<(usize, BlobHash)> = content.own_images().collect();
    if named.is_empty() {
        return Ok(());
    }
    let hashes: BTreeSet<BlobHash> = named.iter().map(|(_, hash)| *hash).collect();
    let missing = call.app.core.confirm_images(hashes.into_iter().collect()).await?;
    let errors = named.iter().filter(|(_, hash)| missing.contains(hash)).map(|(at, _)| no_image(*at));
    match Rejection::of_all(Code::InvalidValue, "an image is not there", errors.collect()) {
        Some(rejection) => Err(rejection.into()),
        None => Ok(()),
    }
}

/// A product names an image that nobody has.
pub fn no_image(at: usize) -> At {
    let detail = "there is no such image: upload it first".to_owned();
    At { pointer: item("/images", at), code: Code::InvalidValue, detail }
}
