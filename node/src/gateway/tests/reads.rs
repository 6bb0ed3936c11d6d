//! How fresh a read is, and what need not be sent again.

use crate::gateway::testing::Bench;

const TEA: &str = r#"{"title": "Tea", "slug": "tea", "status": "published", "variants": [{"sku": "TEA-1"}]}"#;

#[tokio::test]
async fn every_answer_from_the_state_says_at_which_index() {
    let bench = Bench::new();
    let made = bench.admin("POST /admin/v1/products", &[], TEA).await;
    let index: u64 = made.header("shopnode-index").parse().unwrap();
    let list = bench.call("GET /store/v1/products", &[], "").await;
    assert!(list.header("shopnode-index").parse::<u64>().unwrap() >= index);
    assert_eq!(list.header("shopnode-lag"), "7");
    let min = format!("shopnode-min-index: {index}");
    assert_eq!(bench.call("GET /store/v1/products", &[&min], "").await.status, 200);
    let later = format!("shopnode-min-index: {}", index + 1_000);
    let late = bench.call("GET /store/v1/products", &[&later], "").await;
    assert_eq!((late.verdict(), late.header("retry-after")), ((503, "index_not_reached".into()), "1"));
    for level in ["linearizable", "lease", "local"] {
        let field = format!("consistency: {level}");
        assert_eq!(bench.call("GET /store/v1/products", &[&field], "").await.status, 200);
    }
}

#[tokio::test]
async fn the_catalogue_has_strong_tags() {
    let bench = Bench::new();
    let made = bench.admin("POST /admin/v1/products", &[], TEA).await.expect(201);
    let id = made["id"].as_str().unwrap();
    for path in [
        "/store/v1/products".to_owned(),
        "/store/v1/products/tea".to_owned(),
        format!("/admin/v1/products/{id}"),
    ] {
        let line = format!("GET {path}");
        let first = bench.admin(&line, &[], "").await;
        let etag = first.header("etag");
        assert!(etag.starts_with('"') && etag.len() > 3, "{path}: {etag}");
        let known = format!("if-none-match: {etag}");
        let again = bench.admin(&line, &[&known], "").await;
        assert_eq!(
            (again.status.as_u16(), again.text.as_str(), again.header("etag")),
            (304, "", etag),
            "{path}"
        );
        bench
            .admin(
                &format!("PATCH /admin/v1/products/{id}"),
                &["if-match: *"],
                &format!(r#"{{"title": "{path}"}}"#),
            )
            .await
            .expect(200);
        let changed = bench.admin(&line, &[&known], "").await;
        assert_eq!(changed.status, 200, "{path}: it has changed");
    }
}

#[tokio::test]
async fn a_change_needs_the_tag_of_what_it_changes() {
    let bench = Bench::new();
    let draft = TEA.replace("published", "draft");
    let made = bench.admin("POST /admin/v1/products", &[], &draft).await;
    let (id, etag) = (made.json()["id"].as_str().unwrap().to_owned(), made.header("etag").to_owned());
    let delete = format!("DELETE /admin/v1/products/{id}");
    assert_eq!(bench.admin(&delete, &[], "").await.verdict(), (428, "precondition_required".into()));
    assert_eq!(
        bench.admin(&delete, &["if-match: \"r7\""], "").await.verdict(),
        (412, "precondition_failed".into())
    );
    assert_eq!(
        bench.admin(&delete, &["if-match: W/\"r1\""], "").await.verdict(),
        (412, "precondition_failed".into())
    );
    assert_eq!(bench.admin(&delete, &[&format!("if-match: {etag}")], "").await.status, 204);
    assert_eq!(bench.admin(&delete, &["if-match: *"], "").await.verdict(), (404, "not_found".into()));
}

#[tokio::test]
async fn only_what_is_published_is_in_the_store() {
    let bench = Bench::new();
    let draft = TEA.replace("published", "draft");
    bench.admin("POST /admin/v1/products", &[], &draft).await.expect(201);
    assert_eq!(bench.call("GET /store/v1/products", &[], "").await.json()["data"], serde_json::json!([]));
    assert_eq!(bench.call("GET /store/v1/products/tea", &[], "").await.status, 404);
    assert_eq!(bench.admin("GET /admin/v1/products", &[], "").await.json()["data"][0]["slug"], "tea");
}
