//! Clients that place orders one after the other, at all nodes in turn, and remember what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;

use crate::api::{self, Api};
use crate::orders;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Shopping {
    pub skus: Vec<String>,
    pub provider: &'static str,
    pub method: &'static str,
    /// How often one order is tried, each time with the same key and at the next node.
    pub attempts: usize,
    /// Between two attempts.
    pub pause: Duration,
    /// Between two orders; zero for as fast as it goes.
    pub think: Duration,
}

impl Shopping {
    /// Orders paid outside, tried until they succeed for about twenty seconds.
    pub fn patient(skus: &[&str]) -> Shopping {
        Shopping {
            skus: skus.iter().map(|sku| (*sku).to_owned()).collect(),
            provider: "manual",
            method: "",
            attempts: 400,
            pause: Duration::from_millis(50),
            think: Duration::ZERO,
        }
    }
}

/// What all clients know in the end.
#[derive(Debug, Default)]
pub struct Memory {
    /// The order of each key that was acknowledged.
    pub acknowledged: BTreeMap<String, String>,
    /// What was given up, and the last answer.
    pub failed: Vec<String>,
    /// Attempts that did not succeed, by what came back: `503 no_quorum`, `no answer`.
    pub hiccups: BTreeMap<String, usize>,
    /// When orders were acknowledged, in order.
    pub times: Vec<Instant>,
}

impl Memory {
    /// The longest time without an acknowledgement that began in the given span.
    pub fn longest_gap(&self, from: Instant, until: Instant) -> Duration {
        let inside = self.times.iter().copied().filter(|time| *time > from && *time < until);
        let points: Vec<_> = std::iter::once(from).chain(inside).collect();
        points.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(until - from)
    }
}

/// Running clients.
pub struct Buyers {
    nodes: Arc<Mutex<Vec<Api>>>,
    stop: Arc<AtomicBool>,
    memory: Arc<Mutex<Memory>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Buyers {
    /// Sends `count` clients to shop at `nodes`.
    pub fn start(nodes: Vec<Api>, count: usize, shopping: Shopping) -> Buyers {
        let (stop, memory) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Memory::default())));
        let nodes = Arc::new(Mutex::new(nodes));
        let client = |number: usize| {
            let (nodes, shopping) = (nodes.clone(), shopping.clone());
            let (stop, memory) = (stop.clone(), memory.clone());
            tokio::spawn(async move {
                let mut turn = number;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    buy(&nodes, turn, &shopping, &memory).await;
                    tokio::time::sleep(shopping.think).await;
                }
            })
        };
        let tasks = (0..count).map(client).collect();
        Buyers { nodes, stop, memory, tasks }
    }

    /// From now on they shop at this node, too.
    pub fn also_at(&self, node: Api) {
        lock(&self.nodes).push(node);
    }

    /// How many orders were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        lock(&self.memory).acknowledged.len()
    }

    /// The orders that were acknowledged so far.
    pub fn acknowledged_orders(&self) -> Vec<String> {
        lock(&self.memory).acknowledged.values().cloned().collect()
    }

    /// Waits until so many more orders were acknowledged.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub async fn more(&self, orders: usize) -> Result<()> {
        let wanted = self.acknowledged() + orders;
        crate::wait::until(&format!("{orders} more orders"), Duration::from_secs(60), || async {
            (self.acknowledged() >= wanted).then_some(())
        })
        .await
    }

    /// Lets every client finish its order, and tells what they know.
    ///
    /// # Errors
    /// When a client panicked.
    pub async fn stop(self) -> Result<Memory> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.context("a client")?;
        }
        Ok(std::mem::take(&mut *lock(&self.memory)))
    }
}

async fn buy(nodes: &Mutex<Vec<Api>>, turn: usize, shopping: &Shopping, memory: &Mutex<Memory>) {
    let sku = &shopping.skus[turn % shopping.skus.len()];
    let (body, key) = (orders::order(sku, 1, shopping.provider, shopping.method), api::fresh_key());
    let mut last = String::new();
    for attempt in 0..shopping.attempts {
        let node = {
            let nodes = lock(nodes);
            nodes[(turn + attempt) % nodes.len()].clone()
        };
        match node.post_with_key("/store/v1/orders", &body, &key).await {
            Ok(answer) if answer.status == 201 => {
                let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
                let mut memory = lock(memory);
                memory.times.push(Instant::now());
                memory.acknowledged.insert(key, id);
                return;
            }
            Ok(answer) => last = format!("{} {}", answer.status, answer.code()),
            Err(_) => last = "no answer".to_owned(),
        }
        *lock(memory).hiccups.entry(last.clone()).or_default() += 1;
        tokio::time::sleep(shopping.pause).await;
    }
    lock(memory).failed.push(format!("{key}: {last}"));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Every acknowledged order is there, no order exists twice or unasked for, and the stock agrees with the orders: each
/// buyer took one piece of one SKU.
///
/// # Errors
/// Says what is missing or too much.
pub async fn nothing_lost(admin: &Api, memory: &Memory, skus: &[&str], stocked: i64) -> Result<()> {
    ensure!(memory.failed.is_empty(), "orders that no retry cured: {:?}", memory.failed);
    ensure!(!memory.acknowledged.is_empty(), "nothing was ordered: the test is vacuous");
    let mut ids = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("/admin/v1/orders?limit=100{cursor}")).await?.expect(200)?;
        for order in page["data"].as_array().context("a list")? {
            ids.insert(order["id"].as_str().context("an id")?.to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for (key, id) in &memory.acknowledged {
        ensure!(ids.contains(id), "order {id} of {key} was acknowledged and is gone");
    }
    let distinct: std::collections::BTreeSet<_> = memory.acknowledged.values().collect();
    ensure!(distinct.len() == memory.acknowledged.len(), "two keys share an order");
    ensure!(ids.len() == distinct.len(), "{} orders for {} keys", ids.len(), distinct.len());
    let mut taken = 0;
    for sku in skus {
        let row = orders::stock(admin, sku).await?;
        taken += stocked - row["available"].as_i64().with_context(|| format!("stock of {sku}: {row}"))?;
    }
    ensure!(taken == ids.len() as i64, "{taken} pieces are taken by {} orders", ids.len());
    Ok(())
}
