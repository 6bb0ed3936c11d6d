//! The same request again is the same answer.

use std::time::Duration;

use crate::gateway::testing::Bench;

const TEA: &str = r#"{"title": "Tea", "slug": "tea", "variants": [{"sku": "TEA-1"}]}"#;
const CREATE: &str = "POST /admin/v1/products";

#[tokio::test]
async fn the_same_key_and_body_get_the_same_bytes() {
    let bench = Bench::new();
    let first = bench.admin(CREATE, &["idempotency-key: k"], TEA).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""), "{}", first.text);
    // What happened since does not show in the answer.
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let path = format!("PATCH /admin/v1/products/{id}");
    bench.admin(&path, &["if-match: *"], r#"{"title": "Green tea"}"#).await.expect(200);
    let again = bench.admin(CREATE, &["idempotency-key: k"], TEA).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.text, first.text);
    for name in ["location", "etag", "shopnode-index"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    let other = bench.admin(CREATE, &["idempotency-key: k"], &TEA.replace("Tea", "Tee")).await;
    assert_eq!(other.verdict(), (422, "idempotency_key_reused".into()));
}

#[tokio::test]
async fn another_principal_s_key_is_another_key() {
    let bench = Bench::new();
    bench.admin(CREATE, &["idempotency-key: k"], TEA).await.expect(201);
    let (_, key) = bench.client("catalog:write");
    let theirs =
        bench.call(CREATE, &["idempotency-key: k", &format!("authorization: Bearer {key}")], TEA).await;
    assert_eq!(theirs.verdict(), (409, "already_exists".into()), "it was carried out, and met what is there");
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let bench = Bench::new();
    let patch = |etag: &'static str| {
        let bench = &bench;
        async move {
            bench
                .admin("PATCH /admin/v1/categories/tea", &["idempotency-key: k", etag], r#"{"title": "Tee"}"#)
                .await
        }
    };
    assert_eq!(patch("if-match: *").await.verdict(), (404, "not_found".into()));
    bench.admin("POST /admin/v1/categories", &[], r#"{"title": "Tea"}"#).await.expect(201);
    assert_eq!(patch("if-match: \"r9\"").await.verdict(), (412, "precondition_failed".into()));
    let done = patch("if-match: \"r1\"").await;
    assert_eq!((done.status.as_u16(), done.header("etag")), (200, "\"r2\""), "{}", done.text);
    assert_eq!(patch("if-match: \"r1\"").await.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn a_repeated_patch_of_a_product_is_answered_as_before() {
    let bench = Bench::new();
    let made = bench.admin(CREATE, &[], TEA).await.expect(201);
    let line = format!("PATCH /admin/v1/products/{}", made["id"].as_str().unwrap());
    let fields = ["idempotency-key: k", "if-match: \"r1\""];
    let first = bench.admin(&line, &fields, r#"{"title": "Green tea"}"#).await;
    assert_eq!((first.status.as_u16(), first.header("etag")), (200, "\"r2\""), "{}", first.text);
    let again = bench.admin(&line, &fields, r#"{"title": "Green tea"}"#).await;
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&first.text, "true"));
    let stale = bench.admin(&line, &["if-match: \"r1\""], r#"{"title": "Green tea"}"#).await;
    assert_eq!(stale.verdict(), (412, "precondition_failed".into()));
}

#[tokio::test]
async fn a_secret_is_shown_again_to_who_repeats_the_request() {
    let bench = Bench::new();
    let body = r#"{"name": "shopfront", "scopes": ["orders:place"]}"#;
    let line = "POST /admin/v1/clients";
    let first = bench.admin(line, &["idempotency-key: k"], body).await;
    let again = bench.admin(line, &["idempotency-key: k"], body).await;
    assert_eq!((first.status.as_u16(), &again.text), (201, &first.text));
    let other = bench.admin(line, &[], body).await.expect(201);
    assert_ne!(other["client_secret"], first.json()["client_secret"]);
    let token = token(&bench, &first.json()).await;
    assert_eq!(token.status, 200, "the secret in force is the one that was shown: {}", token.text);
}

async fn token(bench: &Bench, client: &serde_json::Value) -> crate::gateway::testing::Answer {
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("client_id"),
        text("client_secret")
    );
    bench.call("POST /oauth/token", &["content-type: application/x-www-form-urlencoded"], &form).await
}

#[tokio::test]
async fn a_running_twin_is_told_so() {
    let bench = Bench::new();
    let closed = bench.core.gate.clone().write_owned().await;
    let first = bench.admin(CREATE, &["idempotency-key: k"], TEA);
    tokio::pin!(first);
    // The first one waits for its command; the second may not be queued behind it.
    tokio::select! {
        biased;
        answer = &mut first => panic!("it was not to be carried out yet: {}", answer.text),
        () = until(|| bench.app.in_flight.count() == 1) => {}
    }
    let twin = bench.admin(CREATE, &["idempotency-key: k"], TEA);
    let twin = tokio::time::timeout(Duration::from_secs(10), twin).await.expect("the twin is not queued");
    assert_eq!(twin.verdict(), (409, "idempotency_in_progress".into()));
    assert_eq!(twin.header("retry-after"), "1");
    drop(closed);
    assert_eq!(first.await.status, 201);
    assert_eq!(bench.admin(CREATE, &["idempotency-key: k"], TEA).await.header("idempotent-replayed"), "true");
}

async fn until(there: impl Fn() -> bool) {
    while !there() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
