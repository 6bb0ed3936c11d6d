//! How much, how often, how many.

use axum::body::Body;
use http::Request;

use crate::gateway::limits::REQUESTS_AT_ONCE;
use crate::gateway::serve::Peer;
use crate::gateway::testing::{Answer, Bench};

async fn from(bench: &Bench, peer: &str, line: &str, fields: &[(&str, &str)]) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path).header("host", "shop");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer(format!("{peer}:1234").parse().unwrap()));
    bench.send(request).await
}

fn strict() -> Bench {
    Bench::with(|config| {
        config.rate_limit.enabled = true;
        for class in [&mut config.rate_limit.read, &mut config.rate_limit.auth] {
            (class.per_minute, class.burst) = (1, 2);
        }
        config.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
}

const LIST: &str = "GET /store/v1/products";

#[tokio::test]
async fn guests_are_limited_by_address() {
    let bench = strict();
    let first = from(&bench, "192.0.2.1", LIST, &[]).await;
    assert_eq!(first.status, 200);
    assert_eq!(
        (first.header("ratelimit-policy"), first.header("ratelimit")),
        ("\"read\";q=2;w=120", "\"read\";r=1;t=60")
    );
    assert_eq!(from(&bench, "192.0.2.1", LIST, &[]).await.status, 200);
    let third = from(&bench, "192.0.2.1", LIST, &[("x-forwarded-for", "203.0.113.5")]).await;
    assert_eq!(third.verdict(), (429, "rate_limited".into()), "an address cannot be made up");
    assert!(third.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(third.header("ratelimit-policy"), "\"read\";q=2;w=120");
    assert_eq!(from(&bench, "192.0.2.2", LIST, &[]).await.status, 200);
    for _ in 0..5 {
        assert_eq!(from(&bench, "192.0.2.1", "GET /livez", &[]).await.status, 200, "probes are not limited");
    }
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients() {
    let bench = strict();
    for (told, expect) in
        [("203.0.113.5", 200), ("203.0.113.5", 200), ("203.0.113.5", 429), ("203.0.113.6", 200)]
    {
        let answer = from(&bench, "10.0.0.1", LIST, &[("x-forwarded-for", told)]).await;
        assert_eq!(answer.status.as_u16(), expect, "{told}");
    }
}

#[tokio::test]
async fn clients_have_no_limit_and_made_up_credentials_do() {
    let bench = strict();
    let authorization = format!("Bearer {}", bench.admin);
    for _ in 0..20 {
        assert_eq!(from(&bench, "192.0.2.1", LIST, &[("authorization", &authorization)]).await.status, 200);
    }
    for expect in [401, 401, 429] {
        let answer = from(&bench, "192.0.2.1", LIST, &[("authorization", "Bearer made-up")]).await;
        assert_eq!(answer.status.as_u16(), expect);
    }
    assert_eq!(from(&bench, "192.0.2.1", LIST, &[("authorization", &authorization)]).await.status, 200);
    let token = from(&bench, "192.0.2.1", "POST /oauth/token", &[]).await;
    assert_eq!(
        token.verdict(),
        (429, "rate_limited".into()),
        "who guesses does not get to guess at the token endpoint"
    );
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_paid_for_before_it_is_waited_for() {
    let bench = strict();
    let strange = Bench::new().key(None, "catalog:read".parse().unwrap());
    let authorization = format!("Bearer {strange}");
    let ask = |fields: Vec<(&'static str, String)>| {
        let bench = &bench;
        async move {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            from(bench, "192.0.2.1", LIST, &fields).await.status.as_u16()
        }
    };
    // An index that is never reached: it is not waited for on behalf of somebody who may be nobody.
    let never = ("shopnode-min-index", u64::MAX.to_string());
    assert_eq!(ask(vec![("authorization", authorization.clone()), never.clone()]).await, 401);
    assert_eq!(ask(vec![("authorization", authorization.clone())]).await, 401);
    assert_eq!(ask(vec![("authorization", authorization), never.clone()]).await, 429);
    let known = format!("Bearer {}", bench.admin);
    assert_eq!(ask(vec![("authorization", known), never]).await, 503);
    // As many as may wait do already.
    let waiting = bench.app.strangers.try_acquire_many(64).unwrap();
    let authorization = format!("Bearer {}", Bench::new().key(None, "catalog:read".parse().unwrap()));
    assert_eq!(from(&bench, "192.0.2.9", LIST, &[("authorization", &authorization)]).await.status, 503);
    drop(waiting);
    assert_eq!(from(&bench, "192.0.2.9", LIST, &[("authorization", &authorization)]).await.status, 401);
}

#[tokio::test]
async fn a_client_has_a_limit_of_all_and_of_a_class() {
    let bench = Bench::with(|config| {
        config.rate_limit.enabled = true;
        let (all, reads) = (&mut config.rate_limit.client, &mut config.rate_limit.client_read);
        (all.per_minute, all.burst) = (1, 4);
        (reads.per_minute, reads.burst) = (1, 2);
    });
    let body = r#"{"name": "till", "scopes": ["catalog:read", "orders:place"]}"#;
    let made = bench.admin("POST /admin/v1/clients", &[], body).await.expect(201);
    let client = made["client_id"].as_str().unwrap().parse().unwrap();
    let key = bench.key(Some(client), "catalog:read orders:place".parse().unwrap());
    let authorization = format!("authorization: Bearer {key}");
    let ask = async |line: &str| bench.call(line, &[&authorization], "").await;
    assert_eq!(ask(LIST).await.header("ratelimit-policy"), "\"client_read\";q=2;w=120");
    assert_eq!(ask(LIST).await.status, 200);
    let third = ask(LIST).await;
    assert_eq!(third.verdict(), (429, "rate_limited".into()));
    assert_eq!(third.header("ratelimit-policy"), "\"client_read\";q=2;w=120");
    // Another class has its own, and what all may do together is not used up by what was refused.
    for expect in
        [(415, "\"client\";q=4;w=240"), (415, "\"client\";q=4;w=240"), (429, "\"client\";q=4;w=240")]
    {
        let answer = ask("POST /store/v1/carts").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit-policy")), expect, "{}", answer.text);
    }
}

#[tokio::test]
async fn one_request_too_many_is_told_so_and_probes_are_not() {
    let bench = Bench::new();
    let all = bench.app.admission.clone().try_acquire_many_owned(REQUESTS_AT_ONCE as u32).unwrap();
    let answer = bench.call(LIST, &[], "").await;
    assert_eq!((answer.verdict(), answer.header("retry-after")), ((503, "overloaded".into()), "1"));
    assert_eq!(bench.call("GET /readyz", &[], "").await.status, 200);
    drop(all);
    assert_eq!(bench.call(LIST, &[], "").await.status, 200);
}

#[tokio::test]
async fn a_request_is_answered_by_its_deadline() {
    let bench = Bench::with(|config| config.http.request_timeout_ms = 100);
    let _closed = bench.core.gate.clone().write_owned().await;
    let answer = bench.admin("POST /admin/v1/categories", &[], r#"{"title": "Tea"}"#).await;
    assert_eq!(answer.verdict(), (504, "gateway_timeout".into()));
}
