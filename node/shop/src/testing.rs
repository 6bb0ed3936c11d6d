//! A shop in memory for unit tests: commands in, outcomes out, with a log time that the test moves.

use std::sync::Arc;

use storage::{Engine, MemoryEngine, Read, Scope, Span, Store, View};

use crate::actor::Actor;
use crate::apply::{EntryInfo, Reply, Shop};
use crate::broker::{Events, Lease, Leases};
use crate::command::{Command, Dedupe, Envelope};
use crate::event::Event;
use crate::ids::RequestId;
use crate::level::FIRST_LEVEL;
use crate::outcome::Outcome;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The store of all tests.
pub const STORE: u32 = 1;
/// Log time at which a bench begins: 2026-01-01T00:00:00Z.
pub const BEGIN_MILLIS: u64 = 1_767_225_600_000;

/// One shop and the log it applies.
pub struct Bench {
    pub store: Store,
    pub shop: Shop,
    pub actor: Actor,
    /// Every entry that was applied, to be applied again elsewhere.
    pub log: Vec<(EntryInfo, Vec<u8>)>,
    /// By which rules the next command is applied.
    pub active_version: u32,
    index: u64,
    now_ms: u64,
}

impl Bench {
    pub fn new() -> Self {
        let store = Store::open(Arc::new(MemoryEngine::new())).expect("an empty store");
        Self {
            store,
            shop: Shop::default(),
            actor: Actor::System,
            log: Vec::new(),
            active_version: FIRST_LEVEL,
            index: 0,
            now_ms: BEGIN_MILLIS,
        }
    }

    /// Log time goes on by this much before the next command.
    pub fn pass_millis(&mut self, millis: u64) {
        self.now_ms += millis;
    }

    /// The log time of the next command.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms)
    }

    /// Applies one command that is not deduplicated.
    pub fn run(&mut self, command: impl Into<Command>) -> Result<Outcome, Rejection> {
        self.reply(command, Dedupe::Idempotent).result
    }

    /// Applies one command that must succeed.
    pub fn ok(&mut self, command: impl Into<Command>) -> Outcome {
        self.run(command).expect("the command is carried out")
    }

    /// Applies one command that must be refused.
    pub fn refused(&mut self, command: impl Into<Command>) -> Rejection {
        let before = self.store.digest();
        let rejection = self.run(command).expect_err("the command is refused");
        assert_eq!(before, self.store.digest(), "a refused command changed the state");
        rejection
    }

    /// Applies one command as one log entry and one batch, through its encoded form.
    pub fn reply(&mut self, command: impl Into<Command>, dedupe: Dedupe) -> Reply {
        self.index += 1;
        let mut request = [0; 16];
        request[8..].copy_from_slice(&self.index.to_be_bytes());
        let envelope = Envelope {
            store: STORE,
            request: RequestId(request),
            actor: self.actor,
            trace: None,
            dedupe,
            command: command.into(),
        };
        let payload = envelope.encode().expect("an envelope");
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.index.to_le_bytes());
        let active_version = self.active_version;
        let entry = EntryInfo { index: self.index, now_ms: self.now_ms, seed, active_version };
        let mut tx = self.store.begin();
        let reply = self.shop.apply(&mut tx, &entry, &payload).expect("no fault");
        self.active_version = self.shop.take_raised().unwrap_or(active_version);
        self.store.commit(tx).expect("a commit");
        self.log.push((entry, payload));
        self.now_ms += 1;
        reply
    }

    /// Applies a log to a fresh shop on this engine, in runs of `run` entries to a batch, as the applier does.
    pub fn replay(log: &[(EntryInfo, Vec<u8>)], engine: Arc<dyn Engine>, run: usize) -> Store {
        let store = Store::open(engine).expect("an empty store");
        let mut shop = Shop::default();
        for entries in log.chunks(run) {
            let mut tx = store.begin();
            for (entry, payload) in entries {
                shop.apply(&mut tx, entry, payload).expect("no fault");
            }
            store.commit(tx).expect("a commit");
        }
        store
    }

    /// Gives somebody the first lease of a queue: epoch 1.
    pub fn lease(&mut self, queue: &str) {
        let mut tx = self.store.begin();
        tx.set_scope(Scope(STORE));
        tx.begin();
        let lease = Lease { holder: 1, epoch: 1, acquired_at: Timestamp::from_millis(self.now_ms) };
        tx.put::<Leases>(&queue.to_owned(), &lease).expect("a put");
        tx.keep();
        self.store.commit(tx).expect("a commit");
    }

    /// The feed goes on by so many numbers without events, as if a large shop had been at work.
    pub fn skip_events(&mut self, events: u64) {
        let last = self.view().scan::<Events>(Span::all().reversed()).next();
        let (seq, mut batch) = last.expect("an event").expect("a batch");
        batch.counters.next_seq += events;
        let mut tx = self.store.begin();
        tx.set_scope(Scope(STORE));
        tx.begin();
        tx.put::<Events>(&seq, &batch).expect("a put");
        tx.keep();
        self.store.commit(tx).expect("a commit");
        self.shop.forget();
    }

    /// The state as it is now.
    pub fn view(&self) -> View<'_> {
        self.store.view().in_scope(Scope(STORE))
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        let batches = self.view();
        batches.scan::<Events>(Span::all()).flat_map(|batch| batch.expect("a batch").1.events).collect()
    }

    /// The CloudEvents types of all events so far.
    pub fn event_kinds(&self) -> Vec<String> {
        self.events().iter().map(|event| event.describe().kind()).collect()
    }
}
