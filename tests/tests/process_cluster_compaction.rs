//! While a cluster sells, its nodes give their state new files, one at a time, and nothing is lost, also not when one is killed in the
//! middle of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::{Api, Buyers, Cluster, Shopping, orders, wait};

const SKUS: [&str; 3] = ["TEA-1", "TEA-2", "TEA-3"];
const STOCKED: u32 = 1_000_000;
const WITHIN: Duration = Duration::from_secs(180);

async fn stocked(cluster: &Cluster) -> Result<Buyers> {
    let admin = cluster.admin(0);
    orders::enable_manual(&admin).await?;
    for sku in SKUS {
        orders::sell(&admin, sku, STOCKED).await?;
    }
    let nodes = (0..cluster.members.len()).map(|place| cluster.admin(place)).collect();
    // They buy on all the time, and little: what they add must not hide what is saved.
    let shopping = Shopping { think: Duration::from_millis(50), ..Shopping::patient(&SKUS) };
    Ok(Buyers::start(nodes, 4, shopping))
}

/// Products in a file as Shopify exports it, each with a description of so many letters.
fn products(count: usize, description: usize) -> String {
    let mut csv = "Handle,Title,Body (HTML),Published,Variant SKU,Variant Price,Status\n".to_owned();
    for number in 0..count {
        let text = "x".repeat(description);
        csv.push_str(&format!("cup-{number},Cup {number},{text},true,CUP-{number},9.90,active\n"));
    }
    csv
}

async fn metric(node: &Api, name: &str) -> Option<f64> {
    let text = node.get("/metrics").await.ok()?.text;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

const DONE: &str = "shopnode_compactions_total{result=\"done\"}";

/// What a node logged of its compactions: when each began and ended, with the sizes before and after.
fn compactions(log: &str) -> Result<Vec<(String, String, u64, u64)>> {
    let (mut done, mut began) = (Vec::new(), None);
    for line in log.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let time = entry["timestamp"].as_str().or(entry["time"].as_str()).unwrap_or_default().to_owned();
        match entry["message"].as_str().or(entry["msg"].as_str()) {
            Some("the state gets new files") => began = Some(time),
            Some("the state has new files") => {
                let size = |name: &str| entry[name].as_u64().with_context(|| format!("{name}: {entry}"));
                let began = began.take().context("it ended and never began")?;
                done.push((began, time, size("bytes_before")?, size("bytes_after")?));
            }
            _ => {}
        }
    }
    Ok(done)
}

#[test]
fn outgrown_files_are_made_new_by_one_node_after_the_other_while_it_sells() -> Result<()> {
    with_network(|network| async move {
        // Much is written, and little of it stays.
        let mut cluster = Cluster::start(network, 3, &[("SHOPNODE_STORAGE__COMPACT_RATIO", "0")]).await?;
        let buyers = stocked(&cluster).await?;
        let files = tempfile::tempdir()?;
        for (name, description) in [("long.csv", 8_000), ("short.csv", 8)] {
            let path = files.path().join(name);
            std::fs::write(&path, products(1_000, description))?;
            cluster.shopctl(0, &["product", "import", &path.to_string_lossy()])?.ended(0)?;
            if description == 8 {
                cluster.configure(&[
                    ("SHOPNODE_STORAGE__COMPACT_RATIO", "3"),
                    ("SHOPNODE_STORAGE__COMPACT_MIN_MB", "4"),
                    ("SHOPNODE_STORAGE__COMPACT_INTERVAL_S", "1"),
                ]);
            }
            // Closing brings what was imported into the files: what is overwritten before that never comes there.
            for place in 0..3 {
                cluster.stop(place).await?;
                cluster.start_again(place)?;
                cluster.ready(place).await?;
            }
        }
        for place in 0..3 {
            let node = cluster.admin(place);
            let done = || async { metric(&node, DONE).await.filter(|done| *done >= 1.0) };
            let waited = wait::until("the node to compact by itself", WITHIN, done).await;
            waited.map_err(|error| cluster.explain(&error))?;
            ensure!(metric(&node, "shopnode_storage_live_bytes").await > Some(0.0), "nothing was counted");
        }
        buyers.more(50).await?;
        let memory = buyers.stop().await?;
        println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
        let mut spans = Vec::new();
        for member in &cluster.members {
            let done = compactions(&member.log())?;
            println!("node {}: {done:?}", member.id);
            ensure!(!done.is_empty(), "node {} logged none:\n{}", member.id, member.log());
            let (_, _, before, after) = done[0];
            ensure!(after < before, "node {}: {before} bytes became {after}", member.id);
            spans.extend(done.into_iter().map(|(began, ended, ..)| (began, ended, member.id)));
        }
        spans.sort();
        for pair in spans.windows(2) {
            ensure!(pair[0].1 <= pair[1].0, "two nodes at once: {pair:?}");
        }
        nothing_lost(&cluster.admin(0), &memory, &SKUS, i64::from(STOCKED)).await?;
        cluster.converged().await
    })
}

/// The generations in a state's directory.
fn generations(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("state")).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gen-")))
        .collect()
}

#[test]
fn a_node_killed_in_the_middle_of_a_compaction_comes_back_whole() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[("SHOPNODE_STORAGE__COMPACT_RATIO", "0")]).await?;
        let buyers = stocked(&cluster).await?;
        buyers.more(300).await?;
        let leader = cluster.leader().await?;
        let place = (leader + 1) % 3;
        let (id, data) = (cluster.members[place].id.to_string(), cluster.members[place].data.clone());
        // It begins with a small state, which comes into blocks by itself.
        let in_blocks = || async {
            let [only] = &generations(&data)[..] else { return None };
            only.to_string_lossy().ends_with("-blocks").then_some(())
        };
        wait::until("the records to be in blocks", WITHIN, in_blocks).await?;
        let asked = cluster.shopctl(leader, &["node", "compact", &id])?.ended(0)?;
        ensure!(asked.stderr.contains("will compact"), "{asked:?}");
        let began = Instant::now();
        while generations(&data).len() < 2 {
            ensure!(began.elapsed() < WITHIN, "it does not begin:\n{}", cluster.logs());
            std::thread::sleep(Duration::from_millis(1));
        }
        cluster.kill(place)?;
        ensure!(generations(&data).len() == 2, "it was over before: {:?}", generations(&data));
        buyers.more(50).await?;
        cluster.start_again(place)?;
        cluster.ready(place).await?;
        ensure!(generations(&data).len() == 1, "{:?}", generations(&data));

        // Asked again, it gets there; asked as the leader, a node hands over first.
        for place in [place, leader] {
            let id = cluster.members[place].id.to_string();
            cluster.shopctl(place, &["node", "compact", &id])?.ended(0)?;
            let node = cluster.admin(place);
            wait::until("the compaction", Duration::from_secs(300), || async {
                metric(&node, DONE).await.filter(|done| *done >= 1.0)
            })
            .await
            .map_err(|error| cluster.explain(&error))?;
        }
        ensure!(cluster.leader().await? != leader, "it compacted while it led");
        buyers.more(50).await?;
        let memory = buyers.stop().await?;
        nothing_lost(&cluster.admin(place), &memory, &SKUS, i64::from(STOCKED)).await?;
        cluster.converged().await
    })
}
