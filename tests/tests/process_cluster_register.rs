//! The stock of a few SKUs as registers: several clients read at `linearizable`, set, and set if nothing changed, at all
//! nodes, while nodes are killed, paused and cut off. What they saw must have a linear order.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use shopnode_tests::history::{Action, Operation, is_linearizable};
use shopnode_tests::network::with_network;
use shopnode_tests::{Api, Cluster, api, orders};

const SKUS: [&str; 3] = ["REG-1", "REG-2", "REG-3"];
const CLIENTS: usize = 6;

type Histories = Arc<Mutex<Vec<Vec<Operation>>>>;

struct Client {
    nodes: Vec<Api>,
    number: usize,
    started: Instant,
    /// No value is written twice, so that a read tells whose write it saw.
    next_value: Arc<AtomicI64>,
    histories: Histories,
}

impl Client {
    async fn run(self, stop: Arc<AtomicBool>) {
        let mut turn = self.number;
        let mut last = [0_i64; SKUS.len()];
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            let register = (turn / 3) % SKUS.len();
            let node = &self.nodes[(turn * 7 + self.number) % self.nodes.len()];
            let called = self.now();
            let action = match turn % 4 {
                0 => self.set(node, register, None).await,
                1 => self.set(node, register, Some(last[register])).await,
                2 => read(node, register, "linearizable").await,
                _ => read(node, register, "lease").await,
            };
            let Some((action, is_known)) = action else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            if let Action::Read { saw } = action {
                last[register] = saw;
            }
            let returned = is_known.then(|| self.now());
            let mut histories = self.histories.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            histories[register].push(Operation { called, returned, action });
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// What was done, and whether its outcome is known; `None` for what certainly did nothing.
    async fn set(&self, node: &Api, register: usize, expected: Option<i64>) -> Option<(Action, bool)> {
        let to = self.next_value.fetch_add(1, Ordering::Relaxed);
        let mut body = json!({"sku": SKUS[register], "on_hand": to});
        if let Some(expected) = expected {
            body["if_on_hand"] = expected.into();
        }
        let action = |swapped| match expected {
            Some(expected) => Action::CompareAndSet { expected, to, swapped },
            None => Action::Set { to },
        };
        match node.post("/admin/v1/stock/set", &body).await {
            Ok(answer) => match (answer.status, answer.code().as_str()) {
                (200, _) => Some((action(Some(true)), true)),
                (_, "stock_changed") => Some((action(Some(false)), true)),
                (_, "outcome_unknown") => Some((action(None), false)),
                // Every other refusal says that nothing was changed.
                _ => None,
            },
            // The connection may have been refused or broken off: nobody can tell.
            Err(_) => Some((action(None), false)),
        }
    }
}

/// By lease is promised the same as long as clocks run evenly, as those of one machine do.
async fn read(node: &Api, register: usize, consistency: &str) -> Option<(Action, bool)> {
    let request = node
        .request(Method::GET, &format!("/admin/v1/stock?sku={}", SKUS[register]))
        .header("Consistency", consistency)
        .timeout(Duration::from_secs(5));
    let answer = api::answer(request).await.ok().filter(|answer| answer.status == 200)?;
    Some((Action::Read { saw: answer.json()["data"][0]["on_hand"].as_i64()? }, true))
}

#[test]
fn stock_is_a_linearizable_register() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        for sku in SKUS {
            orders::sell(&cluster.admin(0), sku, 0).await?;
        }
        let histories: Histories = Arc::new(Mutex::new(vec![Vec::new(); SKUS.len()]));
        let (stop, next_value) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(1)));
        let started = Instant::now();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = Client {
                    nodes: (0..3).map(|place| cluster.admin(place)).collect(),
                    number,
                    started,
                    next_value: next_value.clone(),
                    histories: histories.clone(),
                };
                tokio::spawn(client.run(stop.clone()))
            })
            .collect();

        let breath = || tokio::time::sleep(Duration::from_millis(1_200));
        for round in 0..2 {
            breath().await;
            let leader = cluster.leader().await?;
            cluster.kill(leader)?;
            breath().await;
            cluster.start_again(leader)?;
            cluster.ready(leader).await?;

            let leader = cluster.leader().await?;
            cluster.pause(leader)?;
            breath().await;
            breath().await;
            // It still believes that it leads.
            cluster.resume(leader)?;
            breath().await;

            let leader = cluster.leader().await?;
            if round == 0 {
                cluster.isolate(leader)?
            } else {
                cluster.deafen(leader)?
            }
            breath().await;
            breath().await;
            cluster.heal()?;
        }
        breath().await;
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.context("a client")?;
        }
        let histories =
            std::mem::take(&mut *histories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        for (register, history) in histories.iter().enumerate() {
            let reads = history.iter().filter(|done| matches!(done.action, Action::Read { .. })).count();
            let unknown = history.iter().filter(|done| done.returned.is_none()).count();
            println!(
                "{}: {} operations, {reads} reads, {unknown} of unknown outcome",
                SKUS[register],
                history.len()
            );
            ensure!(reads > 50 && history.len() > reads + 50, "too little happened: the test is vacuous");
            ensure!(
                is_linearizable(0, history),
                "{}: no linear order explains what was seen",
                SKUS[register]
            );
        }
        cluster.converged().await
    })
}
