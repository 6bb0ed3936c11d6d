//! Every error of every layer is a problem with a code and a request id.

use crate::gateway::testing::Bench;

#[tokio::test]
async fn every_layer_answers_with_a_problem() {
    let bench = Bench::new();
    let product = r#"{"title": "Tea", "variants": [{"sku": "A"}]}"#;
    let check = async |line: &str, fields: &[&str], body: &str, expect: (u16, &str)| {
        let answer = bench.admin(line, fields, body).await;
        assert_eq!(answer.verdict(), (expect.0, expect.1.to_owned()), "{line} {fields:?}: {}", answer.text);
        let problem = answer.json();
        assert_eq!(problem["request_id"], answer.header("shopnode-request-id"), "{line}");
        assert!(problem["request_id"].as_str().unwrap().starts_with("req_"));
        assert!(problem["type"].as_str().unwrap().ends_with(&format!("/errors/{}", expect.1)));
        answer
    };
    check("GET /nowhere", &[], "", (404, "not_found")).await;
    let not_allowed = check("DELETE /livez", &[], "", (405, "method_not_allowed")).await;
    assert_eq!(not_allowed.header("allow"), "GET,HEAD");
    check("BREW /livez", &[], "", (405, "method_not_allowed")).await;
    check("GET /admin/v1/products/none", &[], "", (404, "not_found")).await;
    check("GET /admin/v1/products?surprise=1", &[], "", (400, "unknown_parameter")).await;
    check("GET /livez?surprise", &[], "", (400, "unknown_parameter")).await;
    check("GET /admin/v1/products?limit=0", &[], "", (400, "invalid_parameter")).await;
    check("GET /admin/v1/products?limit=1&limit=2", &[], "", (400, "invalid_parameter")).await;
    check("GET /admin/v1/products?cursor=x", &[], "", (400, "invalid_parameter")).await;
    check("GET /admin/v1/products", &["consistency: strong"], "", (400, "invalid_parameter")).await;
    check("GET /admin/v1/products", &["shopnode-min-index: -1"], "", (400, "invalid_parameter")).await;
    check("POST /admin/v1/products", &[], "{", (400, "malformed_body")).await;
    check("POST /admin/v1/products", &["content-type: application/json"], "", (400, "malformed_body")).await;
    check("POST /admin/v1/products", &["content-type: text/plain"], product, (415, "unsupported_media_type"))
        .await;
    check("POST /admin/v1/products", &["idempotency-key: "], product, (400, "invalid_parameter")).await;
    check("GET /admin/v1/../oauth", &[], "", (400, "bad_request")).await;
    check("GET /admin/v1/products%2f..", &[], "", (400, "bad_request")).await;
    check("GET /livez", &["host: other"], "", (400, "bad_request")).await;
    check("GET /livez", &["shopnode-refused: body_too_large; no"], "", (413, "body_too_large")).await;
    let big = format!("{{\"title\": \"{}\"}}", "x".repeat(1024 * 1024));
    check("POST /admin/v1/products", &[], &big, (413, "body_too_large")).await;
    let long = format!("x-long: {}", "x".repeat(40_000));
    check("GET /livez", &[&long], "", (431, "headers_too_large")).await;
    check("PATCH /admin/v1/categories/none", &[], r#"{"title": "x"}"#, (428, "precondition_required")).await;
    check("PATCH /admin/v1/categories/none", &["if-match: *"], r#"{"title": "x"}"#, (404, "not_found")).await;
    let place =
        check("POST /admin/v1/products", &[], r#"{"title": "x", "variants": []}"#, (422, "invalid_value"))
            .await;
    let pointers: Vec<_> =
        place.json()["errors"].as_array().unwrap().iter().map(|at| at["pointer"].clone()).collect();
    assert!(pointers.contains(&"/variants".into()), "{pointers:?}");
    let twice =
        check("POST /admin/v1/products", &[], r#"{"title": "a", "title": "b"}"#, (400, "malformed_body"))
            .await;
    assert_eq!(twice.json()["errors"][0]["pointer"], "/title");
}

#[tokio::test]
async fn what_the_core_cannot_do_is_told_with_when_to_try_again() {
    use crate::gateway::Unserved;
    let bench = Bench::new();
    let body = r#"{"title": "Tea"}"#;
    for (unserved, code) in [
        (Unserved::NotReady, "not_ready"),
        (Unserved::NoQuorum, "no_quorum"),
        (Unserved::OutcomeUnknown, "outcome_unknown"),
        (Unserved::Overloaded, "overloaded"),
        (Unserved::Fault, "storage_fault"),
    ] {
        *bench.core.refuse.lock().unwrap() = Some(unserved);
        let answer = bench.admin("POST /admin/v1/categories", &[], body).await;
        assert_eq!(answer.verdict(), (503, code.to_owned()));
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(bench.call("GET /readyz", &[], "").await.status, 503);
        assert_eq!(bench.call("GET /livez", &[], "").await.status, 200);
    }
    *bench.core.refuse.lock().unwrap() = None;
    assert_eq!(bench.call("GET /readyz", &[], "").await.status, 200);
}

#[tokio::test]
async fn the_answer_to_a_head_has_no_body() {
    let bench = Bench::new();
    for (line, status) in [("/livez", 200), ("/nowhere", 404)] {
        let whole = bench.call(&format!("GET {line}"), &[], "").await;
        let head = bench.call(&format!("HEAD {line}"), &[], "").await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (status, ""), "{line}");
        assert_eq!(head.header("content-length"), whole.text.len().to_string(), "{line}");
    }
}

#[tokio::test]
async fn every_code_has_a_page() {
    let bench = Bench::new();
    for code in shop::Code::ALL {
        let page = bench.call(&format!("GET /errors/{code}"), &[], "").await.expect(200);
        assert_eq!(page["status"], code.status());
    }
    assert_eq!(bench.call("GET /errors/none", &[], "").await.verdict(), (404, "not_found".into()));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_served() {
    let bench = Bench::new();
    let request = || axum::extract::Request::builder().uri("/").body(axum::body::Body::empty()).unwrap();
    for _ in 0..2 {
        let response =
            crate::gateway::observe::observe(&bench.app, request(), async |_| panic!("boom")).await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(bench.app.metrics.http.in_flight.get(), 0);
}
