//! A rate limit holds for the cluster: a guest who asks all nodes at once gets a burst at each, and from then on the rate of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use shopnode_tests::network::with_network;
use shopnode_tests::{Api, Cluster};

const NODES: u32 = 3;
const PER_MINUTE: u32 = 300;
/// A machine that does nothing for as long as this takes to come back, four seconds, costs the guest nothing.
const BURST: u32 = 20;
/// How often nodes tell each other what they admitted: what comes back meanwhile may be admitted by each.
const ROUND: Duration = Duration::from_millis(500);
/// The bursts of the other two nodes are a debt of eight seconds.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
const ASKED_FOR: Duration = Duration::from_secs(20);
/// Ten times as often as the rate, at each node.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Asks one node again and again, to the end and until it refuses: how often it did.
async fn ask(node: Api, began: Instant, admitted: Arc<AtomicU64>) -> Result<u64> {
    let mut refused = 0;
    loop {
        let answer = node.get("/store/v1/products").await?;
        match answer.status {
            200 => {
                admitted.fetch_add(1, Ordering::SeqCst);
            }
            429 if began.elapsed() >= ASKED_FOR => return Ok(refused + 1),
            429 => refused += 1,
            _ => anyhow::bail!("{answer:?}"),
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

#[test]
fn a_guest_who_asks_all_nodes_gets_the_rate_of_one() -> Result<()> {
    with_network(|network| async move {
        let (per_minute, burst) = (PER_MINUTE.to_string(), BURST.to_string());
        let limits = [
            ("SHOPNODE_RATE_LIMIT__READ__PER_MINUTE", &*per_minute),
            ("SHOPNODE_RATE_LIMIT__READ__BURST", &*burst),
        ];
        let cluster = Cluster::start(network, NODES as usize, &limits).await?;
        let (admitted, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let guests: Vec<_> = cluster
            .running()
            .into_iter()
            .map(|place| tokio::spawn(ask(cluster.admin(place).with_token(None), began, admitted.clone())))
            .collect();
        tokio::time::sleep(SETTLED_AFTER).await;
        let (settled, at_first) = (Instant::now(), admitted.load(Ordering::SeqCst));
        for guest in guests {
            let refused = guest.await??;
            ensure!(refused > 1, "a node refused nothing: the test is vacuous");
        }
        let all = admitted.load(Ordering::SeqCst);
        let (later, elapsed, since) = (all - at_first, began.elapsed(), settled.elapsed());

        let rate = |time: Duration| f64::from(PER_MINUTE) * time.as_secs_f64() / 60.0;
        let within_a_round = f64::from(NODES) * rate(ROUND);
        let most = rate(elapsed) + f64::from(NODES * BURST) + within_a_round;
        println!(
            "{all} of at most {most:.1} in {elapsed:.1?}; {later} in the last {since:.1?}, at the rate {:.1}",
            rate(since)
        );
        ensure!(all as f64 <= most, "{all} were admitted, of at most {most:.1} in {elapsed:?}");
        let least = rate(since) - within_a_round;
        ensure!(
            later as f64 >= least,
            "{later} were admitted, of at least {least:.1} in {since:?}: a debt is owed once"
        );
        Ok(())
    })
}
