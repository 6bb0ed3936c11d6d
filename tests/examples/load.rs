//! Orders per second over HTTP at 1, 16 and 64 clients on one node, beside the fsync rate of the disk in the same run,
//! with the time to readiness on an empty directory and the idle memory. Prints; asserts nothing.
//!
//! ```text
//! cargo build --release --bin shopnode && cargo run --release -p shopnode-tests --example load -- [SECONDS]
//! ```

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use shopnode_tests::{Api, Dev, orders};

const SKUS: usize = 1_000;

#[tokio::main]
async fn main() -> Result<()> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(5), |text| text.parse()).context("SECONDS")?;
    let started = Instant::now();
    let dev = Dev::empty().await?;
    println!("dev ready, processor and catcher included   {:>8.0} ms", started.elapsed().as_secs_f64() * 1e3);
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("resident memory of the idle node            {:>8.1} MB", resident_mb(dev.node().pid)?);
    println!("append of 4 KiB and fdatasync, one after another {:>5.0} /s", fsyncs_per_second(&dev)?);

    let admin = dev.admin();
    for number in 0..SKUS {
        orders::sell(&admin, &format!("LOAD-{number}"), 1_000_000).await?;
    }
    for clients in [1, 16, 64] {
        let busy = cpu_seconds(dev.node().pid)?;
        let (rate, mut times) = run(&admin, clients, Duration::from_secs(seconds)).await?;
        let busy = (cpu_seconds(dev.node().pid)? - busy) / times.len().max(1) as f64;
        times.sort_unstable();
        let at = |share: f64| {
            times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)))
        };
        println!(
            "{clients:>3} clients, 3 lines, provider manual        {rate:>8.0} orders/s   p50 {:.1} ms  p99 {:.1} ms   {:.0} µs of CPU each",
            at(0.5).map_or(0.0, |time| time.as_secs_f64() * 1e3),
            at(0.99).map_or(0.0, |time| time.as_secs_f64() * 1e3),
            busy * 1e6,
        );
    }
    println!("resident memory after the load              {:>8.1} MB", resident_mb(dev.node().pid)?);
    Ok(())
}

async fn run(admin: &Api, clients: usize, length: Duration) -> Result<(f64, Vec<Duration>)> {
    let next = Arc::new(AtomicU64::new(0));
    let deadline = Instant::now() + length;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (admin, next) = (admin.clone(), next.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < deadline {
                    let turn = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let lines: Vec<_> = (0..3)
                        .map(|line| json!({"sku": format!("LOAD-{}", (turn * 7 + line * 331) % SKUS), "quantity": 1}))
                        .collect();
                    let mut body = orders::order("LOAD-0", 1, "manual", "invoice");
                    body["lines"] = json!(lines);
                    let began = Instant::now();
                    admin.post("/store/v1/orders", &body).await?.expect(201)?;
                    times.push(began.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok((all.len() as f64 / length.as_secs_f64(), all))
}

/// What the process has used of all processors so far.
fn cpu_seconds(pid: i32) -> Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name in brackets, which may hold anything: utime and stime are fields 14 and 15 of proc(5).
    let fields: Vec<_> = stat.rsplit(')').next().context("stat")?.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).context("ticks");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_mb(pid: i32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib / 1024.0)
}

fn fsyncs_per_second(dev: &Dev) -> Result<f64> {
    let mut file = std::fs::File::create(dev.dir.path().join("fsync-probe"))?;
    let (started, mut count) = (Instant::now(), 0u32);
    while started.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
