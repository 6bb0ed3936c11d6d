//! What placing an order costs beside what the disk engine costs: `cargo run --release -p shop --example cost`.
//!
//! The same 12,800 orders of three lines, for customers, in runs of 64 entries to a batch:
//! - *raw*: the batches that those runs become, given to the disk engine as they are;
//! - *store*: the entries applied to a store on the disk engine, from encoded envelope to committed batch;
//! - *forgetful*: the same, but no answer is remembered for a request that comes again;
//! - *domain*: the entries applied to a transaction over a map in memory, and nothing committed to a disk.
//!
//! Each is run five times in turn on fresh directories; the medians are compared. Nothing is flushed while the clock
//! runs.

#![expect(clippy::disallowed_methods, reason = "it measures the state machine from outside")]

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use shop::actor::Actor;
use shop::apply::{EntryInfo, Shop};
use shop::catalog::{Backorder, Content, CreateProduct, Sku, Status, VariantContent};
use shop::command::{Dedupe, Envelope};
use shop::ids::{CustomerId, RequestId};
use shop::inventory::{CreateLocation, SetStock};
use shop::order::{LineRequest, Personal, PlaceOrder, Wanted};
use shop::payment::{Choice, Provider};
use shop::user::{Address, CreateCustomer};
use shop::{Command, Currency, LEVELS, Money, Outcome, Private};
use storage::{Batch, Direction, Engine, Fault, KeyRange, MemoryEngine, Raw, Scan, SledEngine, Store};

const SKUS: u64 = 2_000;
const CUSTOMERS: usize = 500;
const RUNS: usize = 200;
/// Entries to a batch: what the log hands over at most.
const RUN: usize = 64;
const ROUNDS: usize = 5;
const CACHE_BYTES: u64 = 256 << 20;
const BEGIN_MILLIS: u64 = 1_767_225_600_000;

type Entries = Vec<(EntryInfo, Vec<u8>)>;
type Writes = Vec<(Raw, Option<Raw>)>;
type Tried<T> = Result<T, Box<dyn Error>>;

fn main() -> Tried<()> {
    let Workload { setup, orders, forgetful } = workload()?;
    let Recorded { setup: setup_batches, orders: order_batches, keys } = record(&setup, &orders)?;
    let bytes: usize = order_batches
        .iter()
        .flatten()
        .map(|(key, value)| key.len() + value.as_ref().map_or(0, |v| v.len()))
        .sum();
    let placed = RUNS * RUN;
    println!(
        "{placed} orders of 3 lines in batches of {RUN}: {keys} keys written by each order (at most 8), {} bytes",
        bytes / placed
    );

    let (mut raw, mut store, mut domain, mut forgot) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(time_raw(&setup_batches, &order_batches)?);
        store.push(time_store(&setup, &orders)?);
        forgot.push(time_store(&setup, &forgetful)?);
        domain.push(time_domain(&setup, &orders)?);
    }
    let (raw, store, domain) = (median(raw), median(store), median(domain));
    let per_order = |time: Duration| time.as_secs_f64() * 1e6 / placed as f64;
    let ratio = |time: Duration| time.as_secs_f64() / raw.as_secs_f64();
    println!("raw     {:7.1} us per order", per_order(raw));
    println!("store   {:7.1} us per order, {:.2} of raw (at most 2)", per_order(store), ratio(store));
    let forgot = median(forgot);
    println!("forgetful {:5.1} us per order, {:.2} of raw", per_order(forgot), ratio(forgot));
    println!("domain  {:7.1} us per order, {:.2} of raw (at most 0.5)", per_order(domain), ratio(domain));
    Ok(())
}

/// Entries, all encoded.
struct Workload {
    /// They fill the shop.
    setup: Entries,
    /// They place orders.
    orders: Entries,
    /// The same orders, without answers that are remembered.
    forgetful: Entries,
}

fn workload() -> Tried<Workload> {
    let mut log = Log::default();
    let mut setup = vec![log.entry(CreateLocation { name: "Main".into() })?];
    for number in 0..SKUS {
        setup.push(log.entry(CreateProduct { content: product(number)? })?);
        let stock = SetStock { sku: sku(number)?, location: None, on_hand: 1_000_000, if_on_hand: None };
        setup.push(log.entry(stock)?);
    }
    let customers = create_customers(&mut log, &mut setup)?;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |bound: u64| {
        // xorshift64: any spread will do, and the same one in every round.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let (mut orders, mut forgetful) = (Entries::new(), Entries::new());
    for number in 0..RUNS * RUN {
        let first = next(SKUS);
        let skus =
            [first, (first + 1 + next(SKUS / 2 - 1)) % SKUS, (first + SKUS / 2 + next(SKUS / 2)) % SKUS];
        let place = || order(skus, customers[number % CUSTOMERS]);
        orders.push(log.entry(place()?)?);
        forgetful.push(log.last(place()?, Dedupe::Idempotent)?);
    }
    Ok(Workload { setup, orders, forgetful })
}

/// Customers have their ids from the log: they are read off an application of it.
fn create_customers(log: &mut Log, setup: &mut Entries) -> Tried<Vec<CustomerId>> {
    let store = Store::open(Arc::new(MemoryEngine::new()))?;
    let mut shop = Shop::default();
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        let personal = shop::user::Personal {
            email: format!("buyer{number}@example.com"),
            name: Some("Ada Lovelace".into()),
            phone: None,
            addresses: Vec::new(),
        };
        let entry = log.entry(CreateCustomer { owner: None, personal: Private(personal) })?;
        let mut tx = store.begin();
        let reply = shop.apply(&mut tx, &entry.0, &entry.1)?;
        store.commit(tx)?;
        setup.push(entry);
        match reply.result {
            Ok(Outcome::User(shop::user::Outcome::Customer { id, .. })) => customers.push(id),
            other => return Err(format!("no customer: {other:?}").into()),
        }
    }
    Ok(customers)
}

/// Numbers, stamps and seeds of entries, as a leader gives them.
#[derive(Default)]
struct Log {
    index: u64,
}

impl Log {
    fn entry(&mut self, command: impl Into<Command>) -> Result<(EntryInfo, Vec<u8>), Fault> {
        self.index += 1;
        // As a shop gets them: with a key of the client's, hashed.
        let scope = Sha256::digest(self.index.to_be_bytes()).into();
        self.last(command, Dedupe::Key { scope, fingerprint: scope })
    }

    /// Another entry in the last one's place.
    fn last(&self, command: impl Into<Command>, dedupe: Dedupe) -> Result<(EntryInfo, Vec<u8>), Fault> {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&(BEGIN_MILLIS + self.index).to_be_bytes());
        request[8..].copy_from_slice(&self.index.to_be_bytes());
        let envelope = Envelope {
            store: 1,
            request: RequestId(request),
            actor: Actor::Guest,
            trace: None,
            dedupe,
            command: command.into(),
        };
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let now_ms = BEGIN_MILLIS + self.index;
        let info = EntryInfo { index: self.index, now_ms, seed, active_version: LEVELS.most };
        Ok((info, envelope.encode()?))
    }
}

fn sku(number: u64) -> Tried<Sku> {
    Ok(format!("SKU-{number:05}").parse()?)
}

fn product(number: u64) -> Tried<Content> {
    Ok(Content {
        title: format!("Green tea number {number}"),
        slug: format!("green-tea-{number}").parse()?,
        description: String::new(),
        status: Status::Published,
        category: None,
        category_title: None,
        vendor: None,
        tags: Vec::new(),
        options: vec!["size".into()],
        variants: vec![VariantContent {
            sku: sku(number)?,
            options: vec!["100 g".into()],
            prices: vec![Money::new(999, Currency::EUR)],
            backorder: Backorder::Refuse,
        }],
        images: Vec::new(),
    })
}

fn order(skus: [u64; 3], customer: CustomerId) -> Tried<PlaceOrder> {
    let line = |number| Ok(LineRequest { sku: sku(number)?, quantity: 2 });
    let lines = skus.into_iter().map(line).collect::<Tried<_>>()?;
    let address = Address {
        name: "Ada Lovelace".into(),
        line1: "1 Main St".into(),
        line2: None,
        city: "Berlin".into(),
        region: None,
        postal_code: Some("10115".into()),
        country: "DE".into(),
        phone: None,
    };
    Ok(PlaceOrder {
        wanted: Wanted::Lines { currency: Currency::EUR, lines },
        owner: None,
        customer: Some(customer),
        personal: Private(Personal {
            email: "ada@example.com".into(),
            shipping_address: Some(address),
            billing_address: None,
        }),
        expected_total: None,
        payment: Some(Choice { provider: Provider::Sandbox, method: "card_ok".into(), capture: None }),
    })
}

/// Applies entries in runs; every one of them must be carried out.
fn apply(shop: &mut Shop, store: &Store, entries: &Entries) -> Tried<()> {
    for run in entries.chunks(RUN) {
        let mut tx = store.begin();
        for (info, payload) in run {
            shop.apply(&mut tx, info, payload)?.result.map_err(|refused| refused.detail)?;
        }
        store.commit(tx)?;
    }
    Ok(())
}

fn time_raw(setup: &[Writes], orders: &[Writes]) -> Tried<Duration> {
    let directory = tempfile::tempdir()?;
    let engine = SledEngine::open(directory.path(), CACHE_BYTES)?;
    for writes in setup {
        engine.commit(batch(writes))?;
    }
    engine.flush()?;
    let batches: Vec<Batch> = orders.iter().map(batch).collect();
    let begin = Instant::now();
    for batch in batches {
        engine.commit(batch)?;
    }
    Ok(begin.elapsed())
}

fn time_store(setup: &Entries, orders: &Entries) -> Tried<Duration> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(Arc::new(SledEngine::open(directory.path(), CACHE_BYTES)?))?;
    let mut shop = Shop::default();
    apply(&mut shop, &store, setup)?;
    store.flush()?;
    let begin = Instant::now();
    apply(&mut shop, &store, orders)?;
    Ok(begin.elapsed())
}

/// Commits to memory between the runs, off the clock: what is timed is the domain over its overlay.
fn time_domain(setup: &Entries, orders: &Entries) -> Tried<Duration> {
    let store = Store::open(Arc::new(MemoryEngine::new()))?;
    let mut shop = Shop::default();
    apply(&mut shop, &store, setup)?;
    let mut spent = Duration::ZERO;
    for run in orders.chunks(RUN) {
        let begin = Instant::now();
        let mut tx = store.begin();
        for (info, payload) in run {
            shop.apply(&mut tx, info, payload)?;
        }
        spent += begin.elapsed();
        store.commit(tx)?;
    }
    Ok(spent)
}

/// The batches that the entries become, and how many keys one order writes.
struct Recorded {
    setup: Vec<Writes>,
    orders: Vec<Writes>,
    keys: usize,
}

fn record(setup: &Entries, orders: &Entries) -> Tried<Recorded> {
    let recorder = Arc::new(Recorder::default());
    let store = Store::open(recorder.clone())?;
    let mut shop = Shop::default();
    apply(&mut shop, &store, setup)?;
    let setup_batches = recorder.take();
    apply(&mut shop, &store, orders)?;
    let order_batches = recorder.take();
    Ok(Recorded { setup: setup_batches, orders: order_batches, keys: keys_of_one(setup, orders)? })
}

/// The keys that the first order writes when it is a batch of its own. The digests of the whole state are one record of
/// each batch, however many orders are in it: they are not the order's.
fn keys_of_one(setup: &Entries, orders: &Entries) -> Tried<usize> {
    let recorder = Arc::new(Recorder::default());
    let store = Store::open(recorder.clone())?;
    let mut shop = Shop::default();
    apply(&mut shop, &store, setup)?;
    recorder.take();
    apply(&mut shop, &store, &orders.iter().take(1).cloned().collect())?;
    let is_replicated = |(key, _): &&(Raw, Option<Raw>)| key.first().is_some_and(|prefix| *prefix >= 0x10);
    Ok(recorder.take().iter().flatten().filter(is_replicated).count())
}

fn batch(writes: &Writes) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key.clone(), value.clone()),
            None => batch.delete(key.clone()),
        }
    }
    batch
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A map in memory that remembers the batches it was given.
#[derive(Default)]
struct Recorder {
    records: MemoryEngine,
    batches: Mutex<Vec<Writes>>,
}

impl Recorder {
    fn take(&self) -> Vec<Writes> {
        std::mem::take(&mut self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine for Recorder {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.records.get(key)
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        self.records.scan(range, direction)
    }

    fn commit(&self, writes: Batch) -> Result<(), Fault> {
        let writes: Writes = writes.into_writes().collect();
        let again = batch(&writes);
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(writes);
        self.records.commit(again)
    }

    fn flush(&self) -> Result<(), Fault> {
        self.records.flush()
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.records.size_bytes()
    }

    fn is_durable(&self) -> bool {
        self.records.is_durable()
    }

    fn retire(&self) {
        self.records.retire();
    }
}
