//! The leader is cut off from the majority, both ways and one way: whoever is on the wrong side says so within two
//! seconds and still answers from what it has; afterwards all are one shop again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::{Buyers, Cluster, Shopping, api, orders, wait};

const SKUS: [&str; 2] = ["TEA-1", "TEA-2"];
const STOCKED: u32 = 1_000_000;

#[derive(Debug, Clone, Copy)]
enum Cut {
    BothWays,
    /// What the leader says is lost; it still hears the others.
    Silenced,
    /// The leader hears nothing; the others still hear it.
    Deafened,
}

fn cut_off(cut: Cut) -> Result<()> {
    with_network(|network| async move {
        let cluster = Cluster::start(network, 3, &[]).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        for sku in SKUS {
            orders::sell(&admin, sku, STOCKED).await?;
        }
        let leader = cluster.leader().await?;
        let others: Vec<_> = cluster.running().into_iter().filter(|place| *place != leader).collect();
        let nodes = (0..3).map(|place| cluster.admin(place)).collect();
        let buyers = Buyers::start(nodes, 8, Shopping::patient(&SKUS));
        buyers.more(50).await?;

        match cut {
            Cut::BothWays => cluster.isolate(leader)?,
            Cut::Silenced => cluster.silence(leader)?,
            Cut::Deafened => cluster.deafen(leader)?,
        }
        // The majority goes on without it.
        let majority = Buyers::start(
            others.iter().map(|place| cluster.admin(*place)).collect(),
            4,
            Shopping::patient(&SKUS),
        );
        majority.more(50).await?;
        let alone = cluster.admin(leader);
        // It was the leader a moment ago; that it is not any more it notices within its election timeout.
        wait::until("the cut-off node to refuse linearizable reads", Duration::from_secs(20), || async {
            let answer = api::answer(
                alone.request(Method::GET, "/admin/v1/stock?sku=TEA-1").header("Consistency", "linearizable"),
            );
            answer.await.ok().filter(|answer| answer.status == 503)
        })
        .await?;
        let asked = Instant::now();
        let refused = api::answer(
            alone.request(Method::GET, "/admin/v1/stock?sku=TEA-1").header("Consistency", "linearizable"),
        );
        let refused = refused.await?;
        let waited = asked.elapsed();
        ensure!(
            refused.status == 503,
            "{cut:?}: a cut-off node answered {}: {}",
            refused.status,
            refused.text
        );
        ensure!(refused.header("Retry-After").is_some(), "no Retry-After: {refused:?}");
        println!("{cut:?}: refused after {waited:.0?} with {}", refused.code());
        let local =
            api::answer(alone.request(Method::GET, "/store/v1/products").header("Consistency", "local"));
        let local = local.await?;
        ensure!(local.status == 200, "{cut:?}: no local read: {} {}", local.status, local.text);
        local.header("Shopnode-Index").context("a local read without its index")?;
        let order = orders::order("TEA-1", 1, "manual", "");
        let key = api::fresh_key();
        let write = alone.post_with_key("/store/v1/orders", &order, &key).await?;
        ensure!(
            write.status == 503,
            "{cut:?}: a cut-off node took an order: {} {}",
            write.status,
            write.text
        );

        cluster.heal()?;
        let placed = wait::until("the node to take orders again", Duration::from_secs(30), || async {
            let answer = alone.post_with_key("/store/v1/orders", &order, &key).await.ok()?;
            (answer.status == 201).then_some(answer)
        })
        .await?;
        let mut memory = buyers.stop().await?;
        let second = majority.stop().await?;
        memory.acknowledged.extend(second.acknowledged);
        memory.failed.extend(second.failed);
        memory.acknowledged.insert(key, placed.json()["id"].as_str().context("an id")?.to_owned());
        cluster.converged().await?;
        nothing_lost(&cluster.admin(leader), &memory, &SKUS, i64::from(STOCKED)).await
    })
}

#[test]
fn cut_off_both_ways() -> Result<()> {
    cut_off(Cut::BothWays)
}

#[test]
fn unheard_by_the_others() -> Result<()> {
    cut_off(Cut::Silenced)
}

#[test]
fn deaf_to_the_others() -> Result<()> {
    cut_off(Cut::Deafened)
}
