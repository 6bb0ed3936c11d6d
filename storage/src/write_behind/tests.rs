use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;

use super::redo::Redo;
use super::writer::Limits;
use super::{WriteBehind, has_redo};
use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::home::Generation;
use crate::memory::MemoryEngine;
use crate::snapshot::{FLUSH_EVERY_BYTES, Incoming, MAX_FRAME_BYTES};
use crate::store::{Store, put_digests};
use crate::table::Table;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;
type Change = (u8, Option<u8>);

const NEVER: Duration = Duration::from_secs(3600);

/// Generations of so many bytes: 1 writes each batch at once.
fn limits(generation_bytes: usize) -> Limits {
    Limits { generation_bytes, most_bytes: generation_bytes * 4, max_age: NEVER }
}

fn open(engine: &Arc<MemoryEngine>, directory: &Path, generation_bytes: usize) -> WriteBehind {
    WriteBehind::open_with(engine.clone(), directory, limits(generation_bytes)).unwrap()
}

fn batch(changes: &[Change]) -> Batch {
    // Of several changes of a key the last one counts, as in a transaction.
    let last: BTreeMap<u8, Option<u8>> = changes.iter().copied().collect();
    let mut batch = Batch::default();
    for (key, value) in last {
        match value {
            Some(value) => batch.put([key].as_slice().into(), [value].as_slice().into()),
            None => batch.delete([key].as_slice().into()),
        }
    }
    batch
}

fn change(model: &mut Model, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(vec![*key], vec![*value]),
            None => model.remove(&vec![*key]),
        };
    }
}

fn all(engine: &dyn Engine, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |record: Result<(Raw, Raw), Fault>| record.map(|(key, value)| (key.to_vec(), value.to_vec()));
    engine.scan(KeyRange::everything(), direction).map(bytes).collect::<Result<_, _>>().unwrap()
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = (any::<u8>(), prop::option::weighted(0.7, any::<u8>()));
    prop::collection::vec(prop::collection::vec(change, 1..20), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_the_map_that_was_committed(runs in changes(), generation_bytes in 1usize..6_000) {
        let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::new()));
        let engine = open(&beneath, directory.path(), generation_bytes);
        let mut model = Model::new();
        for (turn, changes) in runs.iter().enumerate() {
            engine.make_room().unwrap();
            engine.commit(batch(changes)).unwrap();
            change(&mut model, changes);
            if turn % 7 == 3 {
                engine.flush().unwrap();
            }
            for key in 0..=u8::MAX {
                let found = engine.get(&[key]).unwrap();
                prop_assert_eq!(found.as_deref(), model.get(&vec![key]).map(Vec::as_slice));
            }
            let expect: Vec<_> = model.clone().into_iter().collect();
            prop_assert_eq!(&all(&engine, Direction::Forward), &expect);
            let mut reversed = all(&engine, Direction::Reverse);
            reversed.reverse();
            prop_assert_eq!(&reversed, &expect);
        }
        drop(engine);
        let expect: Vec<_> = model.into_iter().collect();
        prop_assert_eq!(all(&*beneath, Direction::Forward), expect, "closing brings everything beneath");
        prop_assert!(!super::has_redo(directory.path()));
    }

    #[test]
    fn a_key_that_is_there_is_never_said_not_to_be(
        runs in prop::collection::vec(prop::collection::vec((0..200u8, any::<bool>()), 1..8), 1..30),
        asked_from in 0usize..30,
        waits in any::<bool>(),
        generation_bytes in 1usize..2_000,
    ) {
        let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::new()));
        let engine = open(&beneath, directory.path(), generation_bytes);
        let mut there = BTreeSet::new();
        // The end that is sought is the last byte; what stands before it is of no matter.
        let key = |tail: u8| Raw::from([7, tail % 3, tail].as_slice());
        for (turn, changes) in runs.iter().enumerate() {
            let mut batch = Batch::default();
            for (tail, is_put) in changes.iter().copied().collect::<BTreeMap<u8, bool>>() {
                if is_put {
                    batch.put(key(tail), [0].as_slice().into());
                    there.insert(tail);
                } else {
                    batch.delete(key(tail));
                    there.remove(&tail);
                }
            }
            engine.make_room().unwrap();
            engine.commit(batch).unwrap();
            if turn >= asked_from {
                // What comes after everything was looked through must be noted; what comes before, too.
                let deadline = std::time::Instant::now() + Duration::from_secs(60);
                while waits && engine.may_hold(7, &[255]).unwrap() {
                    prop_assert!(std::time::Instant::now() < deadline, "the table is never looked through");
                    std::thread::yield_now();
                }
                prop_assert!(there.iter().all(|tail| engine.may_hold(7, &[*tail]).unwrap()), "{there:?}");
            }
        }
    }

    #[test]
    fn after_a_crash_it_is_one_of_the_states_that_were_there(
        runs in changes(),
        breaks_after in 0usize..400,
        survivors in 0usize..400,
    ) {
        let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::with_crashes()));
        let breaking = Watched::over(beneath.clone(), Breaking { left: AtomicUsize::new(breaks_after) });
        let engine = WriteBehind::open_with(breaking, directory.path(), limits(1_500)).unwrap();
        let mut states = vec![Model::new()];
        let mut flushed = 0;
        for (turn, changes) in runs.iter().enumerate() {
            if engine.make_room().is_err() {
                break;
            }
            engine.commit(batch(changes)).unwrap();
            let mut model = states.last().unwrap().clone();
            change(&mut model, changes);
            states.push(model);
            if turn % 5 == 4 {
                match engine.flush() {
                    Ok(()) => flushed = states.len() - 1,
                    Err(_) => break,
                }
            }
        }
        engine.retire();
        drop(engine);
        beneath.crash(survivors);
        let engine = open(&beneath, directory.path(), 1 << 20);
        let found: Model = all(&engine, Direction::Forward).into_iter().collect();
        prop_assert!(
            states[flushed..].contains(&found),
            "of {} states, {flushed} flushed, none is {found:?}", states.len(),
        );
    }
}

/// Sees what an engine is told before the engine does.
trait Watch: Send + Sync + 'static {
    fn write(&self, _key: &Raw, _value: Option<&Raw>) -> Result<(), Fault> {
        Ok(())
    }

    fn commit(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}

struct Watched<W> {
    beneath: Arc<MemoryEngine>,
    watch: W,
}

impl<W: Watch> Watched<W> {
    fn new(watch: W) -> Arc<Watched<W>> {
        Watched::over(Arc::default(), watch)
    }

    fn over(beneath: Arc<MemoryEngine>, watch: W) -> Arc<Watched<W>> {
        Arc::new(Watched { beneath, watch })
    }
}

impl<W: Watch> Engine for Watched<W> {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.beneath.get(key)
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        self.beneath.scan(range, direction)
    }

    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        self.watch.write(key, value)?;
        self.beneath.write(key, value)
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        self.watch.commit()?;
        self.beneath.commit(batch)
    }

    fn flush(&self) -> Result<(), Fault> {
        self.watch.flush()?;
        self.beneath.flush()
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.beneath.size_bytes()
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn retire(&self) {}
}

/// Fails for good after so many writes, commits and flushes.
struct Breaking {
    left: AtomicUsize,
}

impl Breaking {
    fn turn(&self) -> Result<(), Fault> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| Fault::Engine { doing: "write", detail: "it broke".to_owned() })
    }
}

impl Watch for Breaking {
    fn write(&self, _key: &Raw, _value: Option<&Raw>) -> Result<(), Fault> {
        self.turn()
    }

    fn commit(&self) -> Result<(), Fault> {
        self.turn()
    }

    fn flush(&self) -> Result<(), Fault> {
        self.turn()
    }
}

#[test]
fn what_is_not_there_is_known_soon() {
    let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::new()));
    let mut stored = Batch::default();
    (0..10_000u32)
        .for_each(|tail| stored.put([&[7], &tail.to_be_bytes()[..]].concat().into(), [0].as_slice().into()));
    beneath.commit(stored).unwrap();
    let engine = open(&beneath, directory.path(), 1_000);
    // The thread looks through what is there as soon as somebody has asked, and nobody commits anything.
    let strange = |tail: u32| engine.may_hold(7, &tail.to_be_bytes()).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while (20_000..20_100).all(strange) {
        assert!(std::time::Instant::now() < deadline, "it never knows");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!((0..10_000).all(strange), "what is there");
}

#[test]
fn what_is_loaded_goes_right_beneath() {
    let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::with_crashes()));
    let engine = open(&beneath, directory.path(), 1 << 20);
    engine.load(batch(&[(1, Some(1)), (2, Some(2))])).unwrap();
    let loaded = vec![(vec![1], vec![1]), (vec![2], vec![2])];
    assert_eq!(all(&*beneath, Direction::Forward), loaded, "nothing of it waits in memory");
    engine.flush().unwrap();
    engine.load(batch(&[(3, Some(3))])).unwrap();
    // What is committed comes later.
    engine.commit(batch(&[(2, Some(9))])).unwrap();
    assert_eq!(engine.load(batch(&[(2, Some(4))])).unwrap_err().code(), "storage_engine");
    assert_eq!(engine.get(&[2]).unwrap().as_deref(), Some([9].as_slice()));
    engine.retire();
    drop(engine);
    beneath.crash(0);
    assert_eq!(all(&*beneath, Direction::Forward), loaded, "durable is what was flushed");
}

/// Counts the bytes of the table below that are not durable.
#[derive(Default)]
struct Counting {
    unflushed: AtomicUsize,
    most_unflushed: AtomicUsize,
}

impl Watch for Counting {
    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        // The rest of what is written comes later, from the engine's own thread.
        if key[0] == Things::PREFIX {
            let bytes = key.len() + value.map_or(0, |value| value.len());
            let unflushed = self.unflushed.fetch_add(bytes, Ordering::SeqCst) + bytes;
            self.most_unflushed.fetch_max(unflushed, Ordering::SeqCst);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        self.unflushed.store(0, Ordering::SeqCst);
        Ok(())
    }
}

struct Things;

impl Table for Things {
    const PREFIX: u8 = 0x30;
    const NAME: &'static str = "things";
    type Key = u32;
    type Value = Thing;
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Thing(Vec<u8>);
crate::versioned!(Thing, 1);

/// However large it is: memory has none of it, and no flush is larger than one piece.
#[test]
fn a_copy_arrives_in_pieces_that_are_made_durable() {
    const RECORDS: u32 = 800;
    let source = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut txn = source.begin();
    for number in 0..RECORDS {
        txn.put::<Things>(&number, &Thing(vec![7; 60_000])).unwrap();
    }
    source.commit(txn).unwrap();
    let export = source.export().unwrap();
    let mut reader = export.reader(b"").unwrap();

    let (directory, beneath) = (tempfile::tempdir().unwrap(), Watched::new(Counting::default()));
    let engine =
        Arc::new(WriteBehind::open_with(beneath.clone(), directory.path(), limits(1 << 20)).unwrap());
    let generation = Generation { number: 1, in_blocks: false, engine: engine.clone(), adopted: true };
    let mut incoming = Incoming::new(generation, |_| true);
    while let Some(frame) = reader.next_frame().unwrap() {
        incoming.push(&frame).unwrap();
        assert!(!engine.shared.pending().is_used(), "a piece waits in memory");
    }
    let received = incoming.finish().unwrap();
    assert_eq!(received.digests().count(), u64::from(RECORDS));
    assert_eq!(beneath.watch.unflushed.load(Ordering::SeqCst), 0, "the end of it is not durable");
    let most = beneath.watch.most_unflushed.load(Ordering::SeqCst) as u64;
    assert!((FLUSH_EVERY_BYTES..FLUSH_EVERY_BYTES + MAX_FRAME_BYTES as u64).contains(&most), "{most}");
}

#[test]
fn a_failure_beneath_is_told_to_whoever_commits_or_flushes() {
    let directory = tempfile::tempdir().unwrap();
    let breaking = Watched::new(Breaking { left: AtomicUsize::new(0) });
    let engine = WriteBehind::open_with(breaking, directory.path(), limits(1)).unwrap();
    engine.commit(batch(&[(1, Some(1))])).unwrap();
    // The first flush may find its redo file durable before the engine beneath is met.
    while engine.flush().is_ok() {
        std::thread::yield_now();
    }
    assert_eq!(engine.make_room().unwrap_err().code(), "storage_engine");
    assert_eq!(engine.get(&[1]).unwrap().as_deref(), Some(&[1][..]));
}

/// What slips in beside a close is told to be lost; nobody waits for it for ever.
#[test]
fn a_flush_of_what_came_after_the_close_is_refused() {
    let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::new()));
    let engine = open(&beneath, directory.path(), 1_000);
    engine.commit(batch(&[(1, Some(1))])).unwrap();
    engine.close().unwrap();
    engine.flush().unwrap();
    engine.commit(batch(&[(2, Some(2))])).unwrap();
    assert_eq!(engine.flush().unwrap_err().code(), "storage_engine");
    assert_eq!(all(&*beneath, Direction::Forward), [(vec![1], vec![1])]);
}

#[test]
fn a_walk_never_misses_what_nobody_changes() {
    const STAYING: u8 = 100;
    let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::new()));
    let engine = open(&beneath, directory.path(), 40_000);
    let key = |kind: u8, number: u16| [&number.to_be_bytes()[..], &[kind]].concat();
    let commit = |kind: u8, numbers: std::ops::Range<u16>| {
        let mut batch = Batch::default();
        numbers.for_each(|number| batch.put(key(kind, number).into(), [kind].as_slice().into()));
        engine.make_room().unwrap();
        engine.commit(batch).unwrap();
    };
    const NUMBERS: u16 = 1_000;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Others come between those that stay, and everything moves beneath again and again.
            for turn in 0u64.. {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let first = (turn * 37 % u64::from(NUMBERS)) as u16;
                commit((turn % 90) as u8, first..(first + 60).min(NUMBERS));
            }
        });
        for walk in 0..60 {
            let kind = STAYING + walk;
            commit(kind, 0..NUMBERS);
            let direction = if walk % 2 == 0 { Direction::Forward } else { Direction::Reverse };
            let keys: Vec<_> =
                engine.scan(KeyRange::everything(), direction).map(|record| record.unwrap().0).collect();
            assert!(keys.is_sorted_by(|a, b| (a < b) == (direction == Direction::Forward)), "walk {walk}");
            for kind in STAYING..=kind {
                let found = keys.iter().filter(|key| key[2] == kind).count();
                assert_eq!(found, NUMBERS as usize, "walk {walk}");
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_was_read_once_is_never_read_older() {
    const KEYS: u8 = 3;
    let (directory, beneath) = (tempfile::tempdir().unwrap(), Arc::new(MemoryEngine::new()));
    let engine = open(&beneath, directory.path(), 300);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0u32..3_000 {
                let mut batch = Batch::default();
                batch.put(
                    [(turn % u32::from(KEYS)) as u8].as_slice().into(),
                    turn.to_be_bytes().as_slice().into(),
                );
                engine.make_room().unwrap();
                engine.commit(batch).unwrap();
            }
            ended.store(true, Ordering::Relaxed);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = [0; KEYS as usize];
                while !ended.load(Ordering::Relaxed) {
                    for key in 0..KEYS {
                        let found = engine.get(&[key]).unwrap();
                        let found =
                            found.map_or(0, |value| u32::from_be_bytes(value.as_ref().try_into().unwrap()));
                        let last = &mut last[usize::from(key)];
                        assert!(found >= *last, "key {key}: {found} after {last}");
                        *last = found;
                    }
                }
            });
        }
    });
}

/// Lets writes through only while the gate is open.
struct Gate(std::sync::Mutex<mpsc::Receiver<()>>);

impl Watch for Gate {
    fn write(&self, _key: &Raw, _value: Option<&Raw>) -> Result<(), Fault> {
        // Waits for the first word; once the other end is gone it is open for good.
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

#[test]
fn whoever_commits_waits_while_too_much_is_pending() {
    let directory = tempfile::tempdir().unwrap();
    let (gate, opened) = mpsc::channel();
    let beneath = Watched::new(Gate(std::sync::Mutex::new(opened)));
    let engine = WriteBehind::open_with(beneath, directory.path(), limits(1_000)).unwrap();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..=u8::MAX {
                engine.make_room().unwrap();
                engine.commit(batch(&[(turn, Some(turn))])).unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        // As long as nothing gets through, so many are taken in and no more.
        let mut before = 0;
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = done.load(Ordering::SeqCst);
            if now > 0 && now == before {
                break;
            }
            before = now;
        }
        assert!(before < 200, "{before} commits of about 100 bytes each did not wait");
        assert!(engine.shared.pending().young_bytes() < 4_000 + 200);
        drop(gate);
    });
    assert_eq!(done.load(Ordering::SeqCst), 256);
}

/// A redo file has the newest digests. Over an engine that has lost everything it must not look like a state.
#[cfg(feature = "sled")]
#[test]
fn a_redo_file_does_not_hide_that_the_engine_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_dir(directory.path(), 0).unwrap();
    let first = directory.path().join("gen-1");
    let digests = store.digest();
    drop(store);
    let mut batch = Batch::default();
    put_digests(&mut batch, &digests);
    Redo::in_directory(&first).write(&batch.into_writes().collect()).unwrap();
    std::fs::remove_file(first.join("db")).unwrap();
    let fault = Store::open_dir(directory.path(), 0).err().unwrap();
    assert_eq!(fault.code(), "storage_corrupt", "{fault}");
    assert!(has_redo(&first), "what was durable is still there for whoever repairs it");
}
