//! Who may what, and how soon a revocation bites.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shop::user::{RetireSigningKey, RevokeApiKey, RevokeClient};

use crate::gateway::testing::Bench;

const FORM: &str = "content-type: application/x-www-form-urlencoded";

async fn client(bench: &Bench, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "test", "scopes": scopes}).to_string();
    let made = bench.admin("POST /admin/v1/clients", &[], &body).await.expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("client_id"), text("client_secret"))
}

fn bearer(token: &serde_json::Value) -> String {
    format!("authorization: Bearer {}", token["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn a_client_gets_a_token_in_either_way() {
    let bench = Bench::new();
    let (id, secret) = client(&bench, &["catalog:read", "orders:place"]).await;
    let form =
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=catalog%3Aread");
    let answer = bench.call("POST /oauth/token", &[FORM], &form).await;
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let token = answer.expect(200);
    assert_eq!(
        (&token["scope"], &token["token_type"], &token["expires_in"]),
        (&json!("catalog:read"), &json!("Bearer"), &json!(900))
    );
    assert_eq!(bench.call("GET /admin/v1/products", &[&bearer(&token)], "").await.status, 200);

    let basic = format!("authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let token =
        bench.call("POST /oauth/token", &[FORM, &basic], "grant_type=client_credentials").await.expect(200);
    assert_eq!(token["scope"], "catalog:read orders:place", "all that it has");
    let keys = bench.call("GET /.well-known/jwks.json", &[], "").await.expect(200);
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let metadata = bench.call("GET /.well-known/oauth-authorization-server", &[], "").await.expect(200);
    assert!(metadata["token_endpoint"].as_str().unwrap().ends_with("/oauth/token"));
}

#[tokio::test]
async fn refusals_speak_oauth_and_tell_nothing() {
    let bench = Bench::new();
    let (id, secret) = client(&bench, &["catalog:read"]).await;
    let grant = "grant_type=client_credentials";
    let basic = format!("authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let check = async |fields: &[&str], form: String, status: u16, error: &str| {
        let mut fields = fields.to_vec();
        fields.push(FORM);
        let answer = bench.call("POST /oauth/token", &fields, &form).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].clone()),
            (status, json!(error)),
            "{form}: {}",
            answer.text
        );
        assert_eq!(answer.header("www-authenticate").is_empty(), status != 401);
        answer.text
    };
    let unknown = "cli_00000000000000000000000000";
    let wrong = check(&[], format!("{grant}&client_id={id}&client_secret=x"), 401, "invalid_client").await;
    let nobody =
        check(&[], format!("{grant}&client_id={unknown}&client_secret=x"), 401, "invalid_client").await;
    assert_eq!(wrong, nobody);
    check(&[], format!("{grant}&client_id={id}"), 401, "invalid_client").await;
    check(&[], grant.to_owned(), 401, "invalid_client").await;
    check(&[], format!("client_id={id}&client_secret={secret}"), 400, "invalid_request").await;
    check(&[], format!("{grant}&{grant}&client_id={id}&client_secret={secret}"), 400, "invalid_request")
        .await;
    check(&[&basic], format!("{grant}&client_secret={secret}"), 400, "invalid_request").await;
    check(&[&basic], format!("{grant}&client_id={unknown}"), 400, "invalid_request").await;
    check(&["authorization: Basic %%%"], grant.to_owned(), 401, "invalid_client").await;
    check(
        &[],
        format!("grant_type=password&client_id={id}&client_secret={secret}"),
        400,
        "unsupported_grant_type",
    )
    .await;
    check(&[&basic], format!("{grant}&scope=orders%3Aplace"), 400, "invalid_scope").await;
    check(&[&basic], format!("{grant}&scope=nonsense"), 400, "invalid_scope").await;
    check(&[&basic], format!("{grant}&scope=*"), 400, "invalid_scope").await;
}

#[tokio::test]
async fn a_revocation_bites_at_once() {
    let bench = Bench::new();
    let (id, secret) = client(&bench, &["catalog:read"]).await;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let token = bench.call("POST /oauth/token", &[FORM], &form).await.expect(200);
    let key = bench.key(Some(id.parse().unwrap()), "catalog:read".parse().unwrap());
    let key_field = format!("authorization: Bearer {key}");
    let list = async |field: &str| bench.call("GET /admin/v1/products", &[field], "").await.status.as_u16();
    assert_eq!((list(&bearer(&token)).await, list(&key_field).await), (200, 200));
    bench.run(RevokeApiKey { id: Bench::key_id(&key) });
    assert_eq!((list(&bearer(&token)).await, list(&key_field).await), (200, 401));
    bench.run(RevokeClient { id: id.parse().unwrap() });
    assert_eq!(list(&bearer(&token)).await, 401);
    assert_eq!(bench.call("POST /oauth/token", &[FORM], &form).await.status, 401);
}

#[tokio::test]
async fn scopes_decide_and_nobody_grants_more_than_they_have() {
    let bench = Bench::new();
    let (_, key) = bench.client("catalog:read customers:read");
    let field = format!("authorization: Bearer {key}");
    let forbidden = bench.call("POST /admin/v1/products", &[&field], "{}").await;
    assert_eq!(forbidden.verdict(), (403, "forbidden".into()));
    assert!(forbidden.header("www-authenticate").contains("insufficient_scope"));
    let guest = bench.call("GET /admin/v1/products", &[], "").await;
    assert_eq!(guest.verdict(), (401, "unauthenticated".into()));
    assert!(guest.header("www-authenticate").starts_with("Bearer"));
    let partner = bench.call("GET /admin/v1/customers", &[&field], "").await;
    assert_eq!(partner.verdict(), (403, "forbidden".into()), "a partner does not see everybody's customers");
    let staff = bench.key(None, "clients:write catalog:read".parse().unwrap());
    let field = format!("authorization: Bearer {staff}");
    let more =
        bench.call("POST /admin/v1/clients", &[&field], r#"{"name": "x", "scopes": ["stock:write"]}"#).await;
    assert_eq!(more.verdict(), (403, "forbidden".into()));
    let same =
        bench.call("POST /admin/v1/clients", &[&field], r#"{"name": "x", "scopes": ["catalog:read"]}"#).await;
    assert_eq!(same.status, 201, "{}", same.text);
}

#[tokio::test]
async fn bad_credentials_are_refused_everywhere() {
    let bench = Bench::new();
    let wrong = bench.key(None, "*".parse().unwrap());
    let wrong = format!("{}{}", &wrong[..wrong.len() - 2], if wrong.ends_with("AA") { "BA" } else { "AA" });
    for value in [
        "Bearer x",
        "Bearer ",
        "Basic eDp5",
        "x",
        "Bearer sk_00000000000000000000000000_x",
        &format!("Bearer {wrong}"),
    ] {
        let field = format!("authorization: {value}");
        for line in ["GET /store/v1/products", "GET /admin/v1/products", "GET /livez"] {
            let answer = bench.call(line, &[&field], "").await;
            assert_eq!(answer.verdict(), (401, "unauthenticated".into()), "{line} {value}");
        }
    }
    let twice = format!("authorization: Bearer {}", bench.admin);
    assert_eq!(bench.call("GET /livez", &[&twice, &twice], "").await.status, 401);
}

#[tokio::test]
async fn a_client_with_every_scope_is_staff_and_erases_whom_another_has_made() {
    let bench = Bench::new();
    let [partner, staff] = ["customers:read customers:write", "*"]
        .map(|scopes| format!("authorization: Bearer {}", bench.client(scopes).1));
    let body = r#"{"email": "ada@example.com", "name": "Ada"}"#;
    let made = bench.call("POST /store/v1/customers", &[&partner], body).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let erase = format!("POST /admin/v1/customers/{id}/erase");
    assert_eq!(bench.call(&erase, &[&partner], "").await.verdict(), (403, "forbidden".into()));
    let own = format!("DELETE /store/v1/customers/{id}");
    assert_eq!(
        bench.call(&own, &[&staff], "").await.verdict(),
        (404, "not_found".into()),
        "it is not its own"
    );
    assert_eq!(bench.call(&erase, &[&staff], "").await.status, 204);
    let left = bench.call(&format!("GET /admin/v1/customers/{id}"), &[&staff], "").await.expect(200);
    assert!(!left.to_string().contains("ada@"), "{left:#}");
}

#[tokio::test]
async fn one_client_s_customer_is_not_there_for_another() {
    let bench = Bench::new();
    let (one, other) =
        (bench.client("customers:read customers:write").1, bench.client("customers:read customers:write").1);
    let [one, other] = [one, other].map(|key| format!("authorization: Bearer {key}"));
    let body = r#"{"email": "ada@example.com", "name": "Ada"}"#;
    let made = bench.call("POST /store/v1/customers", &[&one], body).await.expect(201);
    let path = format!("/store/v1/customers/{}", made["id"].as_str().unwrap());
    let check = async |who: &str, expect: u16| {
        for (method, body) in [("GET", ""), ("PATCH", r#"{"name": "Eve"}"#), ("DELETE", "")] {
            let answer = bench.call(&format!("{method} {path}"), &[who], body).await;
            assert_eq!(
                answer.status.as_u16(),
                if expect == 200 && method == "DELETE" { 204 } else { expect },
                "{method}: {}",
                answer.text
            );
        }
    };
    check(&other, 404).await;
    assert_eq!(bench.call(&format!("GET {path}"), &[&one], "").await.expect(200)["name"], "Ada");
    check(&one, 200).await;
    assert_eq!(
        bench.call(&format!("GET {path}"), &[&one], "").await.expect(200)["email"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn a_signing_key_in_memory_goes_with_the_commit_that_retires_it() {
    let bench = Bench::new();
    let (id, secret) = client(&bench, &["catalog:read"]).await;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let token = bench.call("POST /oauth/token", &[FORM], &form).await.expect(200);
    let read =
        || async { bench.call("GET /admin/v1/products", &[&bearer(&token)], "").await.status.as_u16() };
    assert_eq!(read().await, 200);
    let keys = bench.call("GET /.well-known/jwks.json", &[], "").await.expect(200);
    let key_id = keys["keys"][0]["kid"].as_str().unwrap().to_owned();
    // Retired longer ago than a token lives: nothing that it signed can still be good.
    bench.core.behind_ms.store(16 * 60 * 1_000, std::sync::atomic::Ordering::Relaxed);
    bench.run(RetireSigningKey { key_id });
    assert_eq!(read().await, 401);
}
