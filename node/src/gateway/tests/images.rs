//! Images that the shop keeps: what may be uploaded, what is shown of it, and which products may name it.

use serde_json::json;
use storage::MAX_BLOB_BYTES;

use super::shop::import_of;
use crate::gateway::Unserved;
use crate::gateway::testing::Bench;

const UPLOAD: &str = "POST /admin/v1/images";
const GIF: &str = "GIF89a\u{1}\0\u{1}\0\0\0\0;";
const IS_GIF: &str = "content-type: image/gif";

#[tokio::test]
async fn what_was_uploaded_is_shown_to_everybody_and_kept_by_caches() {
    let bench = Bench::new();
    let made = bench.admin(UPLOAD, &[IS_GIF], GIF).await;
    let view = made.json();
    let url = view["url"].as_str().unwrap();
    assert_eq!((made.status.as_u16(), made.header("location")), (201, url), "{}", made.text);
    assert_eq!(url, format!("/store/v1/images/{}", view["hash"].as_str().unwrap()));
    assert_eq!((&view["content_type"], &view["bytes"]), (&json!("image/gif"), &json!(GIF.len())));
    let again = bench.admin(UPLOAD, &["content-type: image/GIF; x=y"], GIF).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, view.clone()));

    let shown = bench.call(&format!("GET {url}"), &[], "").await;
    assert_eq!((shown.status.as_u16(), shown.text.as_str()), (200, GIF));
    let tag = format!("\"{}\"", view["hash"].as_str().unwrap());
    for (name, value) in [
        ("content-type", "image/gif"),
        ("content-length", &GIF.len().to_string()),
        ("etag", &tag),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(shown.header(name), value, "{name}");
    }
    let known = bench.call(&format!("GET {url}"), &[&format!("if-none-match: {tag}")], "").await;
    assert_eq!((known.status.as_u16(), known.header("etag"), known.text.as_str()), (304, tag.as_str(), ""));
    let head = bench.call(&format!("HEAD {url}"), &[], "").await;
    let length = GIF.len().to_string();
    assert_eq!(
        (head.status.as_u16(), head.header("content-length"), head.text.as_str()),
        (200, length.as_str(), "")
    );

    for unknown in ["0".repeat(64), "x".to_owned(), view["hash"].as_str().unwrap().to_uppercase()] {
        let answer = bench.call(&format!("GET /store/v1/images/{unknown}"), &[], "").await;
        assert_eq!(answer.verdict(), (404, "not_found".to_owned()), "{unknown}");
    }
}

#[tokio::test]
async fn only_images_are_taken_from_those_who_may() {
    let bench = Bench::new();
    let check = async |fields: &[&str], body: &str, status: u16, code: &str| {
        let answer = bench.admin(UPLOAD, fields, body).await;
        assert_eq!(answer.verdict(), (status, code.to_owned()), "{fields:?}: {}", answer.text);
    };
    check(&["content-type: image/png"], GIF, 422, "invalid_value").await;
    check(&[IS_GIF], "<script>", 422, "invalid_value").await;
    check(&["content-type: image/svg+xml"], "<svg/>", 415, "unsupported_media_type").await;
    check(&["content-type: application/json"], "{}", 415, "unsupported_media_type").await;
    let large = format!("GIF89a{}", "x".repeat(MAX_BLOB_BYTES - 6));
    check(&[IS_GIF], &format!("{large}x"), 413, "body_too_large").await;
    assert_eq!(bench.admin(UPLOAD, &[IS_GIF], &large).await.status.as_u16(), 201);

    let (_, key) = bench.client("catalog:read");
    let authorization = format!("authorization: Bearer {key}");
    assert_eq!(bench.call(UPLOAD, &[IS_GIF, &authorization], GIF).await.status.as_u16(), 403);
    assert_eq!(bench.call(UPLOAD, &[IS_GIF], GIF).await.status.as_u16(), 401);
    *bench.core.refuse.lock().unwrap() = Some(Unserved::NoQuorum);
    check(&[IS_GIF], GIF, 503, "no_quorum").await;
}

#[tokio::test]
async fn a_product_names_images_that_are_there() {
    let bench = Bench::new();
    let view = bench.admin(UPLOAD, &[IS_GIF], GIF).await.expect(201);
    let (url, missing) = (view["url"].as_str().unwrap(), format!("/store/v1/images/{}", "0".repeat(64)));
    let product = |images: &[&str]| {
        json!({"title": "Tea", "slug": "tea", "variants": [{"sku": "TEA-1"}], "images": images}).to_string()
    };
    let refused = |answer: crate::gateway::testing::Answer| {
        assert_eq!(answer.verdict(), (422, "invalid_value".to_owned()), "{}", answer.text);
        answer.json()["errors"][0]["pointer"].clone()
    };
    let external = "https://x.example/1.jpg";
    let created = bench.admin("POST /admin/v1/products", &[], &product(&[external, &missing])).await;
    assert_eq!(refused(created), "/images/1");
    let created = bench.admin("POST /admin/v1/products", &[], &product(&[external, url])).await.expect(201);
    assert_eq!(created["images"], json!([external, url]));
    let path = format!("PATCH /admin/v1/products/{}", created["id"].as_str().unwrap());
    let patch = |images: &[&str]| json!({"images": images}).to_string();
    assert_eq!(refused(bench.admin(&path, &["if-match: *"], &patch(&[&missing])).await), "/images/0");
    bench.admin(&path, &["if-match: *"], &patch(&[url])).await.expect(200);
}

#[tokio::test]
async fn an_import_refuses_products_whose_images_are_not_there() {
    let bench = Bench::new();
    let view = bench.admin(UPLOAD, &[IS_GIF], GIF).await.expect(201);
    let (url, missing) = (view["url"].as_str().unwrap(), format!("/store/v1/images/{}", "0".repeat(64)));
    let csv = format!(
        "Handle,Title,Variant SKU,Variant Price,Image Src\ntea,Tea,TEA-1,9.99,{url}\n\
         coffee,Coffee,COF-1,9.99,https://x.example/1.jpg\ncoffee,,,,{missing}\nmate,Mate,MAT-1,9.99,\n"
    );
    for (query, key, products) in [("?dry_run=true", "idempotency-key: a", 0), ("", "idempotency-key: b", 2)]
    {
        let job = import_of(&csv, &bench, query, key).await;
        assert_eq!(job["progress"]["created"], 2, "{job:#}");
        assert_eq!(
            (&job["progress"]["failed"], &job["errors"][0]["column"]),
            (&json!(1), &json!("Image Src")),
            "{job:#}"
        );
        let listed = bench.admin("GET /admin/v1/products", &[], "").await.expect(200);
        assert_eq!(listed["data"].as_array().unwrap().len(), products);
    }
}
