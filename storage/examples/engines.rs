//! What an order's records cost in sled, in blocks of sled and in fjall, as the node writes them: in generations, sorted, each
//! key once.
//!
//! `cargo run --release -p storage --features fjall --example engines -- --orders 200000 --skus 10000`
//!
//! An order is four records under keys in order of time, one under a random key, and three rows of stock of random SKUs.
//! The engines take turns, each in a process of its own; figures are CPU time of all its threads, background work included.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use storage::{Blocks, Engine, FjallEngine, Raw, SledEngine};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const CACHE_BYTES: u64 = 256 << 20;
/// Orders in a generation: what a node gathers until the log asks it to flush.
const GENERATION: u64 = 5_000;
/// Changes that it brings into the engine at once.
const PIECE: usize = 1_024;
/// Table and bytes of the records that an order adds under keys in order of time.
const IN_ORDER: [(u8, usize); 4] = [(0x20, 700), (0x21, 400), (0x24, 8), (0x25, 8)];
const ROUNDS: u32 = 3;

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(otherwise)
    };
    let (orders, skus) = (number("--orders", 200_000), number("--skus", 10_000));
    if let Some(engine) = arguments.iter().find_map(|argument| argument.strip_prefix("--engine=")) {
        return measure(engine, orders, skus);
    }
    for round in 1..=ROUNDS {
        for engine in ["sled", "blocks", "fjall"] {
            print!("round {round}, {engine}: ");
            let status = Command::new(env::current_exe()?)
                .args([&format!("--engine={engine}"), "--orders", &orders.to_string()])
                .args(["--skus", &skus.to_string()])
                .status()?;
            if !status.success() {
                return Err(format!("{engine}: {status}").into());
            }
        }
    }
    Ok(())
}

fn measure(name: &str, orders: u64, skus: u64) -> Outcome {
    let directory = tempfile::tempdir()?;
    let engine: Box<dyn Engine> = match name {
        "sled" => Box::new(SledEngine::open(directory.path(), CACHE_BYTES)?),
        "blocks" => Box::new(Blocks::over(SledEngine::open(directory.path(), CACHE_BYTES)?)),
        "fjall" => Box::new(FjallEngine::open(directory.path(), CACHE_BYTES)?),
        other => return Err(format!("no engine is called {other}").into()),
    };
    let (began, cpu) = (Instant::now(), cpu_ms()?);
    let mut bytes = 0;
    for first in (0..orders).step_by(GENERATION as usize) {
        let mut generation: BTreeMap<Raw, Raw> = BTreeMap::new();
        for order in first..orders.min(first + GENERATION) {
            generation.extend(records(order, skus));
        }
        bytes += generation.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let changes: Vec<_> = generation.iter().map(|(key, value)| (key, Some(value))).collect();
        for piece in changes.chunks(PIECE) {
            engine.write_sorted(piece)?;
        }
        engine.flush()?;
    }
    let (wall, cpu) = (began.elapsed(), cpu_ms()? - cpu);
    print!(
        "{:.1} us of CPU an order, {:.1} s, {} MB written as {} MB on disk, {} MB resident; ",
        cpu as f64 * 1_000.0 / orders as f64,
        wall.as_secs_f64(),
        bytes >> 20,
        disk_bytes(directory.path())? >> 20,
        resident_mb()?
    );
    for (what, key) in [("a row of stock", stock as fn(u64, u64) -> Raw), ("an order", order_key)] {
        let reads = 100_000;
        let began = Instant::now();
        for number in 0..reads {
            let of = if what == "an order" { orders } else { skus };
            if engine.get(&key(scramble(number), of))?.is_none() {
                return Err(format!("{what} is missing").into());
            }
        }
        print!("{what} read in {:.1} us; ", began.elapsed().as_secs_f64() * 1e6 / reads as f64);
    }
    println!();
    Ok(())
}

fn records(order: u64, skus: u64) -> impl Iterator<Item = (Raw, Raw)> {
    let in_order =
        IN_ORDER.into_iter().map(move |(table, bytes)| (key(table, order, 0), value(order, bytes)));
    let reply = (key(0x22, scramble(order), order), value(order, 650));
    let rows = (0..3).map(move |line| (stock(scramble(order * 3 + line), skus), value(order, 60)));
    in_order.chain([reply]).chain(rows)
}

fn order_key(number: u64, orders: u64) -> Raw {
    key(0x20, number % orders, 0)
}

fn stock(number: u64, skus: u64) -> Raw {
    key(0x23, number % skus, 0)
}

fn key(table: u8, high: u64, low: u64) -> Raw {
    let mut key = vec![table, 0, 0, 0, 1];
    key.extend(high.to_be_bytes());
    key.extend(low.to_be_bytes());
    key.into()
}

/// Bytes that a compressor finds little in, as in records of ids and amounts.
fn value(seed: u64, length: usize) -> Raw {
    let words = (0..).flat_map(|at: u64| scramble(seed ^ at << 40).to_le_bytes());
    words.take(length).collect()
}

/// SplitMix64's finalizer (Steele, Lea, Flood 2014): spreads counters over all 64 bits.
fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn disk_bytes(path: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { disk_bytes(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn resident_mb() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().split(' ').next().unwrap_or("0").parse::<u64>()? >> 10)
}

/// CPU time of this process, user and system, from ticks of 10 ms.
fn cpu_ms() -> Outcome<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("an unknown /proc/self/stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).ok_or("an unknown stat");
    Ok((ticks(11)? + ticks(12)?) * 10)
}
