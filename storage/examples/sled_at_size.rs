//! Measures sled alone at the size of a large shop: memory, time to open, disk, CPU per key, ordered against random
//! inserts. The figures in `DESIGN.md` come from
//!
//! `cargo run --release -p storage --example sled_at_size -- --keys 12000000 --cache 256 --random-keys 2000000`
//!
//! Each step runs in a process of its own, so that its memory is its own. Files go to a temporary directory under
//! `--dir` (default: the system's) and are removed at the end.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

type Outcome = Result<(), Box<dyn Error>>;

/// Records of one order: (table, value bytes from, to). Eight keys, as one command writes.
const RECORDS: [(u8, usize, usize); 8] = [
    (0x20, 600, 900), // order with lines and payment
    (0x21, 350, 450), // event
    (0x21, 350, 450), // event
    (0x22, 280, 320), // idempotency
    (0x23, 55, 65),   // stock movement
    (0x23, 55, 65),   // stock movement
    (0x23, 55, 65),   // stock movement
    (0x24, 55, 65),   // index of a list
];

/// Eight commands make one batch: what a run of the log holds under moderate load.
const BATCH_KEYS: usize = 64;
/// The design flushes every 5,000 log entries.
const FLUSH_KEYS: usize = 5_000 * RECORDS.len();

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| -> Result<u64, Box<dyn Error>> {
        match args.iter().position(|arg| arg == name) {
            Some(at) => Ok(args.get(at + 1).ok_or("an option lacks its value")?.parse()?),
            None => Ok(default),
        }
    };
    let text = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let (keys, cache_mb) = (number("--keys", 1_000_000)?, number("--cache", 256)?);
    let random_keys = number("--random-keys", keys / 6)?;
    let dir = text("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    match text("--step") {
        Some(step) => run_step(&step, &dir, keys, cache_mb),
        None => run_all(&dir, keys, random_keys, cache_mb),
    }
}

fn run_all(under: &Path, keys: u64, random_keys: u64, cache_mb: u64) -> Outcome {
    let root = tempfile::tempdir_in(under)?;
    println!("{keys} keys in order, {random_keys} at random, cache {cache_mb} MB, batches of {BATCH_KEYS}");
    let step = |name: &str, dir: &str, keys: u64| -> Outcome {
        let status = Command::new(std::env::current_exe()?)
            .args(["--step", name, "--keys", &keys.to_string(), "--cache", &cache_mb.to_string()])
            .arg("--dir")
            .arg(root.path().join(dir))
            .status()?;
        // The fill ends as a crash does, after its last flush.
        if status.success() || name == "fill" { Ok(()) } else { Err(format!("step {name}: {status}").into()) }
    };
    step("fill", "ordered", keys)?;
    step("open", "ordered", keys)?;
    step("open", "ordered", keys)?;
    step("overwrite", "ordered", keys)?;
    step("random", "random", random_keys)?;
    step("open", "random", random_keys)
}

fn run_step(step: &str, dir: &Path, keys: u64, cache_mb: u64) -> Outcome {
    let began = Instant::now();
    let db = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_mb << 20)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(None)
        .open()?;
    let opened_ms = began.elapsed().as_millis();
    match step {
        "fill" => {
            insert(&db, "ordered insert", dir, keys, ordered_key)?;
            std::process::abort();
        }
        "random" => insert(&db, "random insert", dir, keys, random_key)?,
        "overwrite" => {
            let stride = keys / 500_000 + 1;
            insert(&db, "overwrite at random", dir, keys / stride, |table, number| {
                ordered_key(table, scramble(number) % keys)
            })?;
        }
        _ => {
            println!("open: {opened_ms} ms, {}", memory_and_disk(dir)?);
            read(&db, dir, keys)?;
        }
    }
    let began = Instant::now();
    drop(db);
    println!("  close: {} ms", began.elapsed().as_millis());
    Ok(())
}

fn insert(db: &sled::Db, what: &str, dir: &Path, keys: u64, key: impl Fn(u8, u64) -> Vec<u8>) -> Outcome {
    let (began, cpu_before) = (Instant::now(), cpu_ms()?);
    let mut batch = sled::Batch::default();
    let (mut in_batch, mut flush_ms, mut bytes) = (0, 0, 0);
    for number in 0..keys {
        let (table, from, to) = RECORDS[number as usize % RECORDS.len()];
        let value = value(number, from, to);
        let key = key(table, number);
        bytes += key.len() + value.len();
        batch.insert(key, value);
        in_batch += 1;
        if in_batch == BATCH_KEYS || number + 1 == keys {
            db.apply_batch(std::mem::take(&mut batch))?;
            in_batch = 0;
        }
        if (number as usize + 1).is_multiple_of(FLUSH_KEYS) {
            let flush = Instant::now();
            db.flush()?;
            flush_ms += flush.elapsed().as_millis();
        }
        if (number + 1).is_multiple_of((keys / 4).max(1)) {
            println!("  {what} {}: {} s, {}", number + 1, began.elapsed().as_secs(), memory_and_disk(dir)?);
            io::stdout().flush()?;
        }
    }
    db.flush()?;
    let (elapsed, cpu) = (began.elapsed(), cpu_ms()? - cpu_before);
    println!(
        "{what}: {keys} keys, {:.0}/s, CPU {:.1} us/key, {} MB of keys and values, {} ms of it flushing, {}",
        keys as f64 / elapsed.as_secs_f64(),
        cpu as f64 * 1000.0 / keys as f64,
        bytes >> 20,
        flush_ms,
        memory_and_disk(dir)?
    );
    Ok(())
}

/// Reads at random over everything, then among the newest 1 %.
fn read(db: &sled::Db, dir: &Path, keys: u64) -> Outcome {
    let reads = 100_000.min(keys);
    let is_random = dir.ends_with("random");
    let key = |number: u64| {
        let table = RECORDS[number as usize % RECORDS.len()].0;
        if is_random { random_key(table, number) } else { ordered_key(table, number) }
    };
    for (what, from) in [("all keys", 0), ("the newest 1 %", keys - keys / 100 - 1)] {
        let began = Instant::now();
        let mut found = 0;
        for number in 0..reads {
            found += u64::from(db.get(key(from + scramble(number) % (keys - from)))?.is_some());
        }
        println!(
            "  get among {what}: {:.1} us, {found} of {reads} found, {}",
            began.elapsed().as_secs_f64() * 1e6 / reads as f64,
            memory_and_disk(dir)?
        );
    }
    Ok(())
}

/// Table, scope, time-ordered id and a suffix: 30 bytes.
fn ordered_key(table: u8, number: u64) -> Vec<u8> {
    key(table, u128::from(number) << 64 | u128::from(scramble(number)))
}

fn random_key(table: u8, number: u64) -> Vec<u8> {
    key(table, u128::from(scramble(number)) << 64 | u128::from(number))
}

fn key(table: u8, id: u128) -> Vec<u8> {
    let mut key = vec![table, 0, 0, 0, 1];
    key.extend_from_slice(&id.to_be_bytes());
    key.extend_from_slice(b"\0suffix-\0");
    key
}

fn value(number: u64, from: usize, to: usize) -> Vec<u8> {
    let length = from + scramble(number) as usize % (to - from);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&scramble(number ^ (bytes.len() as u64) << 40).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// SplitMix64's finalizer (Steele, Lea, Flood 2014): spreads counters over all 64 bits.
fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn memory_and_disk(dir: &Path) -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim();
    let resident_mb = resident.split(' ').next().unwrap_or("0").parse::<u64>()? >> 10;
    let mut disk_bytes = 0;
    for entry in fs::read_dir(dir)? {
        disk_bytes += entry?.metadata()?.len();
    }
    Ok(format!("{resident_mb} MB resident, {} MB on disk", disk_bytes >> 20))
}

/// CPU time of this process, user and system, from ticks of 10 ms.
fn cpu_ms() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("an unknown /proc/self/stat")?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks =
        || fields.next().ok_or("an unknown /proc/self/stat")?.parse::<u64>().map_err(Box::<dyn Error>::from);
    Ok((ticks()? + ticks()?) * 10)
}
