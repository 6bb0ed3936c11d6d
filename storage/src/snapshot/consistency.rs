//! An export equals the state at its moment, whatever is committed, overwritten or deleted during the walk: between two
//! chunks, between the two halves of one, with spilling and without.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::{Just, Strategy, any, proptest};
use proptest::{collection, prop_oneof};

use crate::engine::{Batch, Direction, KeyRange, Raw, Scan};
use crate::key::record_key;
use crate::snapshot::walk::{Stretch, Walk};
use crate::{Engine, Export, ExportLimits, Fault, MemoryEngine, Read, Scope, Store, Table, Value};

struct Things;

impl Table for Things {
    const PREFIX: u8 = 0x20;
    const NAME: &'static str = "things";
    type Key = u8;
    type Value = Thing;
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Thing(Vec<u8>);
crate::versioned!(Thing, 1);

type Model = BTreeMap<u8, Thing>;

#[derive(Debug, Clone)]
enum Step {
    /// One transaction: a length to put, or `None` to delete.
    Commit(Vec<(u8, Option<u8>)>),
    Open {
        memory_bytes: usize,
        chunk_keys: usize,
        chunk_bytes: usize,
    },
    /// The first half of a step of one of the walks, or the second if the first is done.
    Advance(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0u8..40, prop_oneof![2 => any::<u8>().prop_map(Some), 1 => Just(None)]);
    let open = (0usize..600, 1usize..6, prop_oneof![Just(1usize), 1usize..800, Just(100_000)]);
    let step = prop_oneof![
        6 => collection::vec(change, 1..12).prop_map(Step::Commit),
        1 => open.prop_map(|(memory_bytes, chunk_keys, chunk_bytes)| {
            Step::Open { memory_bytes, chunk_keys, chunk_bytes }
        }),
        8 => any::<usize>().prop_map(Step::Advance),
    ];
    collection::vec(step, 1..80)
}

/// One walk in progress, and what it must find.
struct Walking {
    export: Export,
    walk: Walk,
    pending: Option<Stretch>,
    found: Vec<(Raw, Raw)>,
    expect: Vec<(Raw, Raw)>,
    ended: bool,
}

impl Walking {
    fn advance(&mut self) {
        if let Some(stretch) = self.pending.take() {
            self.found.extend(self.walk.merge(stretch).unwrap());
        } else {
            self.pending = self.walk.read_stretch().unwrap();
            self.ended = self.pending.is_none();
        }
    }

    fn check(mut self) {
        while !self.ended {
            self.advance();
        }
        assert_eq!(self.found, self.expect);
        for after in 0..self.expect.len() {
            let mut walk = self.export.walk(Some(&self.expect[after].0));
            let mut found = Vec::new();
            while let Some(chunk) = walk.next_chunk().unwrap() {
                found.extend(chunk);
            }
            assert_eq!(found, self.expect[after + 1..], "read on after record {after}");
        }
    }
}

fn raw(model: &Model) -> Vec<(Raw, Raw)> {
    let record = |(key, value): (&u8, &Thing)| {
        let key = record_key(Things::PREFIX, Scope::NODE, key).unwrap();
        (Raw::from(key), Raw::from(value.encode().unwrap()))
    };
    model.iter().map(record).collect()
}

fn limits(directory: &Path, memory_bytes: usize, chunk_keys: usize, chunk_bytes: usize) -> ExportLimits {
    let spill_files = 10_000;
    let base = ExportLimits::spilling_to(directory.to_owned());
    ExportLimits { memory_bytes, spill_files, chunk_keys, chunk_bytes, ..base }
}

fn commit(store: &Store, model: &mut Model, changes: &[(u8, Option<u8>)]) {
    let mut txn = store.begin();
    for (at, (key, length)) in changes.iter().enumerate() {
        match length {
            None => assert_eq!(txn.delete::<Things>(key).unwrap(), model.remove(key).is_some()),
            Some(length) => {
                let thing = Thing(vec![at as u8; usize::from(*length)]);
                if txn.contains::<Things>(key).unwrap() {
                    txn.put::<Things>(key, &thing).unwrap();
                } else {
                    txn.insert::<Things>(key, &thing).unwrap();
                }
                model.insert(*key, thing);
            }
        }
    }
    store.commit(txn).unwrap();
}

fn run(engine: Arc<dyn Engine>, steps: &[Step]) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(engine).unwrap();
    let (mut model, mut walks) = (Model::new(), Vec::<Walking>::new());
    for step in steps {
        match step {
            Step::Commit(changes) => commit(&store, &mut model, changes),
            Step::Open { memory_bytes, chunk_keys, chunk_bytes } => {
                if walks.len() == crate::MAX_OPEN_EXPORTS {
                    continue;
                }
                let limits = limits(directory.path(), *memory_bytes, *chunk_keys, *chunk_bytes);
                let export = store.view().export_within(limits).unwrap();
                let walk = export.walk(None);
                let expect = raw(&model);
                walks.push(Walking { export, walk, pending: None, found: Vec::new(), expect, ended: false });
            }
            Step::Advance(which) => {
                if !walks.is_empty() {
                    let which = which % walks.len();
                    walks[which].advance();
                }
            }
        }
    }
    walks.into_iter().for_each(Walking::check);
    assert!(store.scrub().unwrap().is_clean());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "spilled files remain");
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn any_interleaving_on_memory(steps in steps()) {
        run(Arc::new(MemoryEngine::new()), &steps);
    }
}

#[cfg(feature = "sled")]
proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
    #[test]
    fn any_interleaving_on_sled(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        run(Arc::new(crate::SledEngine::open(directory.path(), 0).unwrap()), &steps);
    }
}

/// With other threads committing all the time, on the engine that is used in earnest.
#[cfg(feature = "sled")]
#[test]
fn commits_of_another_thread() {
    let directory = tempfile::tempdir().unwrap();
    let engine = crate::SledEngine::open(&directory.path().join("sled"), 0).unwrap();
    let store = Store::open(Arc::new(engine)).unwrap();
    let mut model = Model::new();
    let changes = |round: u32| -> Vec<(u8, Option<u8>)> {
        let change = |at: u32| {
            let noise = (round * 31 + at).wrapping_mul(2_654_435_761) >> 7;
            ((noise >> 8) as u8, (!noise.is_multiple_of(3)).then_some(noise as u8))
        };
        (0..9).map(change).collect()
    };
    for round in 0..60 {
        commit(&store, &mut model, &changes(round));
    }
    for attempt in 0..20 {
        let export = store.view().export_within(limits(directory.path(), 2_000, 16, 4_000)).unwrap();
        let mut walking = Walking {
            walk: export.walk(None),
            pending: None,
            found: Vec::new(),
            expect: raw(&model),
            ended: false,
            export,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..60 {
                    commit(&store, &mut model, &changes(attempt * 1_000 + round));
                }
            });
            while !walking.ended {
                walking.advance();
            }
        });
        walking.check();
    }
}

/// An engine that lets something happen when a batch is in the engine and its commit has not yet returned.
#[derive(Default)]
struct Interrupted {
    inner: MemoryEngine,
    interrupt: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl Engine for Interrupted {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.inner.get(key)
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        self.inner.scan(range, direction)
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        self.inner.commit(batch)?;
        if let Some(interrupt) = self.interrupt.lock().unwrap().as_mut() {
            interrupt();
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        self.inner.flush()
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.inner.size_bytes()
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn retire(&self) {}
}

/// The pre-images are there before the batch is: a walk that passes in between must already find them.
#[test]
fn a_walk_in_the_middle_of_a_commit() {
    let engine = Arc::new(Interrupted::default());
    let store = Store::open(engine.clone()).unwrap();
    let mut model = Model::new();
    commit(&store, &mut model, &[(1, Some(1)), (2, Some(2)), (3, Some(3))]);
    let (export, expect) = (store.export().unwrap(), raw(&model));
    let found = Arc::new(Mutex::new(Vec::new()));
    let (walked, walking) = (found.clone(), export.clone());
    *engine.interrupt.lock().unwrap() = Some(Box::new(move || {
        let mut walk = walking.walk(None);
        while let Some(chunk) = walk.next_chunk().unwrap() {
            walked.lock().unwrap().extend(chunk);
        }
    }));
    commit(&store, &mut model, &[(1, Some(9)), (2, None), (4, Some(4))]);
    assert_eq!(*found.lock().unwrap(), expect);
    *engine.interrupt.lock().unwrap() = None;
}

#[test]
fn a_small_bound_spills_and_a_smaller_one_ends_the_export() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut model = Model::new();
    let spilling = limits(directory.path(), 100, 4, 100_000);
    let export = store.view().export_within(spilling.clone()).unwrap();
    let doomed = store.view().export_within(ExportLimits { spill_files: 2, ..spilling.clone() }).unwrap();
    let narrow = store.view().export_within(ExportLimits { spill_files: 8, ..spilling.clone() }).unwrap();
    let nowhere = ExportLimits { spill_dir: directory.path().join("missing"), ..spilling };
    let homeless = store.view().export_within(nowhere).unwrap();
    for key in 0..10 {
        commit(&store, &mut model, &[(key, Some(100))]);
    }
    assert!(export.shared().pre_images().runs() > 2);
    assert_eq!((export.is_crowded(), narrow.is_crowded()), (false, true));
    let mut reader = export.reader(b"").unwrap();
    while reader.next_frame().unwrap().is_some() {}
    assert_eq!(reader.records(), 0);
    for lost in [doomed, homeless] {
        let mut reader = lost.reader(b"").unwrap();
        reader.next_frame().unwrap();
        assert_eq!(reader.next_frame().unwrap_err().code(), "storage_export_lost");
    }
    // The commits went on all the same.
    assert_eq!(store.digest().count(), 10);
}

#[test]
fn open_exports_are_bounded() {
    let store = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let exports: Vec<Export> = (0..crate::MAX_OPEN_EXPORTS).map(|_| store.export().unwrap()).collect();
    assert_eq!(store.export().err().unwrap().code(), "storage_too_many_exports");
    drop(exports);
    assert!(store.export().is_ok());
}
