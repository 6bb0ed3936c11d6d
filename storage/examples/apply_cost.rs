//! What transactions, digests and versioned values cost over raw sled, for a command of 3 reads and 8 writes:
//!
//! `cargo run --release -p storage --example apply_cost -- --commands 20000`
//!
//! Raw sled applies the same keys and bytes in the same batches (without the digests, and without reading anything).
//! Rounds alternate between the two, so that a noisy machine disturbs both; figures are medians over the rounds, of the
//! time on the wall and of the CPU time of all threads.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use storage::{Fault, Key, Read, Scope, SledEngine, Store, Table, Txn, Value, versioned};

type Outcome = Result<(), Box<dyn Error>>;

const ROUNDS: u64 = 7;
const SKUS: u64 = 5_000;
const CACHE_BYTES: u64 = 256 << 20;
const TENANT: Scope = Scope(1);

#[derive(Serialize, Deserialize)]
struct Record {
    revision: u64,
    body: String,
}
versioned!(Record, 1);

macro_rules! table {
    ($name:ident, $prefix:literal, $key:ty) => {
        struct $name;
        impl Table for $name {
            const PREFIX: u8 = $prefix;
            const NAME: &'static str = stringify!($name);
            type Key = $key;
            type Value = Record;
        }
    };
}

table!(Orders, 0x20, u128);
table!(Events, 0x21, u64);
table!(Answers, 0x22, (u128, u64));
table!(Stock, 0x23, (String, u32));
table!(OrdersByTime, 0x24, (u64, u128));

/// Key and value.
type RawWrite = (Vec<u8>, Vec<u8>);

/// The contents of one order: three SKUs and the records that placing it writes.
struct Command {
    id: u128,
    number: u64,
    skus: [(String, u32); 3],
}

impl Command {
    fn new(number: u64) -> Command {
        let sku = |line: u64| (format!("SKU-{:06}", (number * 7_919 + line * 1_733) % SKUS), 1);
        Command { id: u128::from(number) << 64 | 7, number, skus: [sku(0), sku(1), sku(2)] }
    }

    fn record(&self, bytes: usize) -> Record {
        Record { revision: self.number, body: "x".repeat(bytes) }
    }

    fn apply(&self, txn: &mut Txn<'_>) -> Result<(), Fault> {
        txn.begin();
        for sku in &self.skus {
            let revision = txn.get::<Stock>(sku)?.map_or(0, |stock| stock.revision);
            txn.put::<Stock>(sku, &Record { revision: revision.max(self.number), ..self.record(55) })?;
        }
        txn.insert::<Orders>(&self.id, &self.record(700))?;
        txn.insert::<Events>(&(self.number * 2), &self.record(400))?;
        txn.insert::<Events>(&(self.number * 2 + 1), &self.record(400))?;
        txn.insert::<Answers>(&(self.id, 1), &self.record(300))?;
        txn.insert::<OrdersByTime>(&(self.number, self.id), &self.record(55))?;
        txn.keep();
        Ok(())
    }

    /// The same keys and bytes, without the store.
    fn raw(&self) -> Result<Vec<RawWrite>, Fault> {
        let mut writes = Vec::new();
        for sku in &self.skus {
            writes.push((raw_key::<Stock>(sku), self.record(55).encode()?));
        }
        writes.push((raw_key::<Orders>(&self.id), self.record(700).encode()?));
        writes.push((raw_key::<Events>(&(self.number * 2)), self.record(400).encode()?));
        writes.push((raw_key::<Events>(&(self.number * 2 + 1)), self.record(400).encode()?));
        writes.push((raw_key::<Answers>(&(self.id, 1)), self.record(300).encode()?));
        writes.push((raw_key::<OrdersByTime>(&(self.number, self.id)), self.record(55).encode()?));
        Ok(writes)
    }
}

fn raw_key<T: Table>(key: &T::Key) -> Vec<u8> {
    let mut bytes = vec![T::PREFIX];
    bytes.extend_from_slice(&TENANT.0.to_be_bytes());
    key.encode(&mut bytes);
    bytes
}

fn main() -> Outcome {
    let mut args = std::env::args().skip_while(|arg| arg != "--commands").skip(1);
    let commands: u64 = args.next().map_or(Ok(20_000), |text| text.parse())?;
    println!(
        "{commands} commands a round, {ROUNDS} rounds, 3 reads and 8 writes a command, sled cache 256 MB"
    );
    for run in [1, 8, 64] {
        measure(commands, run)?;
    }
    Ok(())
}

/// One line: what a command costs in runs of `run` commands.
fn measure(commands: u64, run: u64) -> Outcome {
    let directory = tempfile::tempdir()?;
    let raw = sled::Config::new()
        .path(directory.path().join("raw"))
        .cache_capacity(CACHE_BYTES)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(None)
        .open()?;
    let store = Store::open(Arc::new(SledEngine::open(&directory.path().join("store"), CACHE_BYTES)?))?;
    let (mut raw_times, mut store_times, mut exporting_times) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let first = round * commands * 2;
        raw_times.push(time_raw(&raw, first, first + commands, run)?);
        store_times.push(time_store(&store, first, first + commands, run)?);
        let export = store.export()?;
        exporting_times.push(time_store(&store, first + commands, first + 2 * commands, run)?);
        drop(export);
        raw.flush()?;
        store.flush()?;
    }
    let (raw, store) = (median(&mut raw_times, commands), median(&mut store_times, commands));
    let exporting = median(&mut exporting_times, commands);
    println!("runs of {run} (us/command: wall, CPU)");
    println!("  raw sled             {:6.1} {:6.1}", raw.wall_us, raw.cpu_us);
    for (what, cost) in [("store               ", store), ("with an export open ", exporting)] {
        println!(
            "  {what} {:6.1} {:6.1}, times raw sled {:.2} {:.2}",
            cost.wall_us,
            cost.cpu_us,
            cost.wall_us / raw.wall_us,
            cost.cpu_us / raw.cpu_us
        );
    }
    Ok(())
}

/// Time on the wall and of the CPU.
#[derive(Clone, Copy)]
struct Cost {
    wall_us: f64,
    cpu_us: f64,
}

fn median(costs: &mut [Cost], commands: u64) -> Cost {
    let mut middle = |of: fn(&Cost) -> f64| {
        costs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&costs[costs.len() / 2]) / commands as f64
    };
    Cost { wall_us: middle(|cost| cost.wall_us), cpu_us: middle(|cost| cost.cpu_us) }
}

fn measured(work: impl FnOnce() -> Outcome) -> Result<Cost, Box<dyn Error>> {
    let (began, cpu_before) = (Instant::now(), cpu_us()?);
    work()?;
    Ok(Cost { wall_us: began.elapsed().as_secs_f64() * 1e6, cpu_us: cpu_us()? - cpu_before })
}

/// CPU time of this process, user and system, in ticks of 10 ms.
fn cpu_us() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("an unknown /proc/self/stat")?.1;
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * 10_000.0)
}

fn time_raw(db: &sled::Db, from: u64, to: u64, run: u64) -> Result<Cost, Box<dyn Error>> {
    let writes: Vec<_> = (from..to).map(|number| Command::new(number).raw()).collect::<Result<_, _>>()?;
    measured(|| {
        for commands in writes.chunks(run as usize) {
            let mut batch = sled::Batch::default();
            for (key, value) in commands.iter().flatten() {
                batch.insert(key.as_slice(), value.as_slice());
            }
            db.apply_batch(batch)?;
        }
        Ok(())
    })
}

fn time_store(store: &Store, from: u64, to: u64, run: u64) -> Result<Cost, Box<dyn Error>> {
    let commands: Vec<Command> = (from..to).map(Command::new).collect();
    measured(|| {
        for commands in commands.chunks(run as usize) {
            let mut txn = store.begin();
            txn.set_scope(TENANT);
            for command in commands {
                command.apply(&mut txn)?;
            }
            store.commit(txn)?;
        }
        Ok(())
    })
}
