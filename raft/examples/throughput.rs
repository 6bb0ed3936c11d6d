//! Commands per second through one voter on a real log and a real engine, beside the disk's own fsync rate.
//!
//! `cargo run --release -p raft --example throughput [DIR]`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement ends where it fails, and prints")]

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use net::Isolated;
use raft::{Clock, Config, Entry, Host, Machine, NodeInfo, Observer};
use storage::{Fault, Store, Table, Txn, versioned};

struct Words;

impl Table for Words {
    const PREFIX: u8 = 0x20;
    const NAME: &'static str = "words";
    type Key = u64;
    type Value = Word;
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Word(Vec<u8>);
versioned!(Word, 1);

struct Keeper;

impl Machine for Keeper {
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault> {
        tx.insert::<Words>(&entry.index, &Word(entry.payload.to_vec()))?;
        Ok(Vec::new())
    }
    fn committed(&mut self, _index: u64) {}
    fn restored(&mut self, _index: u64) {}
}

struct FixedClock;

impl Clock for FixedClock {
    fn now_ms(&self) -> u64 {
        1_000
    }
    fn seed(&self) -> [u8; 16] {
        [1; 16]
    }
}

#[derive(Default)]
struct Counters {
    batches: AtomicU64,
    applied: AtomicU64,
    appends: AtomicU64,
}

impl Observer for Counters {
    fn applied(&self, entries: u64, _took: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.applied.fetch_add(entries, Ordering::Relaxed);
    }
    fn durable(&self, _entries: u64, _bytes: u64, _took: Duration) {
        self.appends.fetch_add(1, Ordering::Relaxed);
    }
}

fn fsyncs_per_second(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("fsync")).unwrap();
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < Duration::from_secs(2) {
        file.write_all(&[0; 512]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or_else(|| ".".into())).unwrap();
    println!("fsyncs: {:.0}/s", fsyncs_per_second(dir.path()));
    let store = Arc::new(Store::open_dir(&dir.path().join("state"), 64 << 20).unwrap());
    let counters = Arc::new(Counters::default());
    let mut config = Config::new(1, "throughput");
    config.observer = counters.clone();
    let (wal, transport) = (dir.path().join("wal"), Arc::new(Isolated));
    let host = Host::start(config, Keeper, store, wal, transport, Arc::new(FixedClock)).await.unwrap();
    host.bootstrap(NodeInfo::default()).await.unwrap();
    for submitters in [1, 16, 64, 256] {
        measure(&host, &counters, submitters).await;
    }
    host.shutdown().await;
}

async fn measure(host: &Host, counters: &Counters, submitters: usize) {
    let count = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
    for counter in [&counters.batches, &counters.applied, &counters.appends] {
        count(counter);
    }
    let (start, end) = (Instant::now(), Instant::now() + Duration::from_secs(5));
    let mut tasks = Vec::new();
    for _ in 0..submitters {
        let host = host.clone();
        tasks.push(tokio::spawn(async move {
            let command = Bytes::from(vec![7; 300]);
            let mut slowest = Duration::ZERO;
            while Instant::now() < end {
                let began = Instant::now();
                let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
                host.submit(command.clone(), deadline).await.unwrap();
                slowest = slowest.max(began.elapsed());
            }
            slowest
        }));
    }
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await.unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    let applied = count(&counters.applied) as f64;
    println!(
        "{submitters:3} submitters: {:6.0} commands/s, {:.1} a batch, {:.1} an append, slowest {slowest:?}",
        applied / seconds,
        applied / count(&counters.batches).max(1) as f64,
        applied / count(&counters.appends).max(1) as f64,
    );
}
