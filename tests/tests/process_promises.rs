//! What is promised about stock and repetition, under real concurrency.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::future::join_all;
use shopnode_tests::{Dev, api, orders};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_is_never_oversold() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "RARE-1", 100).await?;

    let body = orders::order("RARE-1", 1, "manual", "invoice");
    let answers = join_all((0..256).map(|_| admin.post("/store/v1/orders", &body))).await;
    let mut count: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for answer in answers {
        let answer = answer?;
        *count.entry((answer.status, answer.code())).or_default() += 1;
    }
    let wanted = BTreeMap::from([((201, String::new()), 100), ((409, "out_of_stock".to_owned()), 156)]);
    assert_eq!(count, wanted);
    let stock = orders::stock(&admin, "RARE-1").await?;
    assert_eq!(stock["available"], 0, "{stock:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_is_one_order() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 100).await?;

    let (body, key) = (orders::order("TEA-1", 1, "manual", "invoice"), api::fresh_key());
    let answers = join_all((0..50).map(|_| admin.post_with_key("/store/v1/orders", &body, &key))).await;
    let mut bodies = BTreeSet::new();
    for answer in answers {
        let answer = answer?;
        match answer.status {
            409 => assert_eq!(answer.code(), "idempotency_in_progress", "{}", answer.text),
            _ => {
                assert_eq!(answer.status, 201, "{}", answer.text);
                bodies.insert(answer.text);
            }
        }
    }
    assert_eq!(bodies.len(), 1, "every answer that is not 409 has the same body: {bodies:#?}");
    let again = admin.post_with_key("/store/v1/orders", &body, &key).await?;
    assert_eq!(
        (again.header("Idempotent-Replayed"), bodies.contains(&again.text)),
        (Some("true"), true),
        "{}",
        again.text
    );
    let stock = orders::stock(&admin, "TEA-1").await?;
    assert_eq!(stock["available"], 99, "{stock:#}");

    let other = admin
        .post_with_key("/store/v1/orders", &orders::order("TEA-1", 2, "manual", "invoice"), &key)
        .await?;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    Ok(())
}
