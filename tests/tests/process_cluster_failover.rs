//! Three nodes, clients at all of them, and the leader killed with -9 again and again: nothing acknowledged is missing,
//! nothing exists twice. Prints, for each kill, the longest time without a successful order.
//!
//! `SHOPNODE_TEST_KILLS=20` for more kills than the usual ones; `SHOPNODE_TEST_BOUNDS=1` on a machine that has nothing else
//! to do, to hold these times against what the profile promises.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::{Buyers, Cluster, Shopping, orders, wait};

const SKUS: [&str; 4] = ["TEA-1", "TEA-2", "TEA-3", "TEA-4"];
const STOCKED: u32 = 1_000_000;
const CLIENTS: usize = 64;
/// The longest time without an order that one kill may cost.
const LONGEST: Duration = Duration::from_secs(2);

/// What half of all kills must stay under: the nodes have the profile from this process's environment.
fn median_bound() -> Duration {
    let is_fast = std::env::var("SHOPNODE_RAFT__PROFILE").is_ok_and(|profile| profile == "fast");
    Duration::from_millis(if is_fast { 450 } else { 800 })
}

#[test]
fn the_leader_is_killed_again_and_again() -> Result<()> {
    let kills: usize = std::env::var("SHOPNODE_TEST_KILLS").map_or(Ok(4), |text| text.parse())?;
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        for sku in SKUS {
            orders::sell(&admin, sku, STOCKED).await?;
        }
        let nodes = (0..3).map(|place| cluster.admin(place)).collect();
        let buyers = Buyers::start(nodes, CLIENTS, Shopping::patient(&SKUS));
        let mut spans = Vec::new();
        for kill in 0..kills {
            buyers.more(CLIENTS).await?;
            // At another moment of the log's life each time.
            tokio::time::sleep(Duration::from_millis(300 + 170 * (kill as u64 % 5))).await;
            let leader = cluster.leader().await?;
            let killed_at = Instant::now();
            cluster.kill(leader)?;
            // The two that are left go on by themselves.
            buyers.more(CLIENTS).await?;
            spans.push((killed_at, Instant::now()));
            cluster.start_again(leader)?;
            cluster.ready(leader).await?;
        }
        buyers.more(CLIENTS).await?;
        let memory = buyers.stop().await?;
        let mut gaps: Vec<_> = spans.iter().map(|(from, until)| memory.longest_gap(*from, *until)).collect();
        println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
        println!("longest time without an order, by kill: {gaps:.0?}");
        gaps.sort_unstable();
        let (median, longest) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        println!("median {median:.0?}, longest {longest:.0?}");
        for place in 0..3 {
            nothing_lost(&cluster.admin(place), &memory, &SKUS, i64::from(STOCKED)).await?;
        }
        cluster.converged().await?;
        if wait::bounds_are_wanted() {
            ensure!(median < median_bound(), "median {median:.0?}, not under {:.0?}", median_bound());
            ensure!(longest <= LONGEST, "a kill cost {longest:.0?}, more than {LONGEST:.0?}");
        }
        Ok(())
    })
}

#[test]
fn all_three_are_killed_at_once() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        for sku in SKUS {
            orders::sell(&admin, sku, STOCKED).await?;
        }
        let nodes = (0..3).map(|place| cluster.admin(place)).collect();
        let buyers = Buyers::start(nodes, 16, Shopping::patient(&SKUS));
        for _ in 0..2 {
            buyers.more(200).await?;
            (0..3).try_for_each(|place| cluster.kill(place))?;
            (0..3).try_for_each(|place| cluster.start_again(place))?;
            for place in 0..3 {
                cluster.ready(place).await?;
            }
        }
        buyers.more(100).await?;
        let memory = buyers.stop().await?;
        nothing_lost(&cluster.admin(1), &memory, &SKUS, i64::from(STOCKED)).await?;
        cluster.converged().await
    })
}
