use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::{Blocks, MOST_BYTES};
use crate::engine::{Batch, Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::memory::MemoryEngine;
use crate::sled::SledEngine;

type Model = BTreeMap<Raw, Raw>;
/// What becomes of some keys: a value of so many bytes, or none.
type Changes = BTreeMap<u16, Option<u16>>;

/// Keys of different lengths, of which many begin like others.
fn key(number: u16) -> Raw {
    let text = number.to_string();
    Raw::from([&b"record/"[..usize::from(number % 8)], text.as_bytes()].concat())
}

fn value(length: u16, turn: usize) -> Raw {
    vec![turn as u8; usize::from(length)].into()
}

/// Three blocks and more are filled by a hundred of them, and a few fill one alone.
fn changes(keys: u16) -> impl Strategy<Value = Changes> {
    let length = prop_oneof![8 => 0..100u16, 1 => 1_000..3_000u16];
    prop::collection::btree_map(0..keys, prop::option::weighted(0.7, length), 1..120)
}

/// As `write_behind` brings it: in order.
fn raw(changes: &Changes, turn: usize) -> BTreeMap<Raw, Option<Raw>> {
    changes.iter().map(|(number, length)| (key(*number), length.map(|length| value(length, turn)))).collect()
}

fn bring(engine: &impl Engine, changes: &BTreeMap<Raw, Option<Raw>>) -> Result<(), Fault> {
    engine.write_sorted(&changes.iter().map(|(key, value)| (key, value.as_ref())).collect::<Vec<_>>())
}

fn change(model: &mut Model, changes: &BTreeMap<Raw, Option<Raw>>) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn all(engine: &impl Engine, direction: Direction) -> Vec<(Raw, Raw)> {
    engine.scan(KeyRange::everything(), direction).collect::<Result<_, _>>().unwrap()
}

fn expect(model: &Model, direction: Direction) -> Vec<(Raw, Raw)> {
    let records = model.iter().map(|(key, value)| (key.clone(), value.clone()));
    match direction {
        Direction::Forward => records.collect(),
        Direction::Reverse => records.rev().collect(),
    }
}

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Reverse];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_the_map_that_was_written(
        runs in prop::collection::vec(changes(400), 1..12),
        ranges in prop::collection::vec((0..400u16, 0..400u16), 1..12),
    ) {
        let (engine, mut model) = (Blocks::over(MemoryEngine::new()), Model::new());
        for (turn, run) in runs.iter().enumerate() {
            let run = raw(run, turn);
            bring(&engine, &run).unwrap();
            change(&mut model, &run);
            for number in 0..400 {
                let key = key(number);
                let found = engine.get(&key).unwrap();
                prop_assert_eq!(found.as_ref(), model.get(&key));
            }
            for direction in BOTH {
                prop_assert_eq!(all(&engine, direction), expect(&model, direction));
                for (one, other) in &ranges {
                    let range = range(&key(*one), &key(*other));
                    let (start, end) = (range.start.as_slice(), range.end.as_deref().unwrap_or_default());
                    let within = model.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
                    let part: Model = within.map(|(key, value)| (key.clone(), value.clone())).collect();
                    let found: Vec<_> = engine.scan(range, direction).collect::<Result<_, _>>().unwrap();
                    prop_assert_eq!(found, expect(&part, direction));
                }
            }
        }
        for (separator, block) in all(&engine.beneath, Direction::Forward) {
            prop_assert!(block.len() > 1, "an empty block is left at {:?}", separator);
        }
    }

    #[test]
    fn a_crash_costs_nothing_that_was_not_being_written_and_writing_again_repairs_the_rest(
        runs in prop::collection::vec(changes(300), 1..8),
        last in changes(300),
        survivors in 0usize..40,
        goes_at_once in 1usize..30,
    ) {
        let (engine, mut model) = (Blocks::over(MemoryEngine::with_crashes()), Model::new());
        for (turn, run) in runs.iter().enumerate() {
            let run = raw(run, turn);
            bring(&engine, &run).unwrap();
            change(&mut model, &run);
        }
        engine.flush().unwrap();
        let last = raw(&last, runs.len());
        bring(&engine, &last).unwrap();
        engine.beneath.crash(survivors);
        let untouched: Vec<_> =
            expect(&model, Direction::Forward).into_iter().filter(|(key, _)| !last.contains_key(key)).collect();
        for (key, value) in &untouched {
            let found = engine.get(key).unwrap();
 prop_assert_eq!(found.as_ref(), Some(value));
        }
        bring(&engine, &last).unwrap();
        change(&mut model, &last);
        for direction in BOTH {
            prop_assert_eq!(all(&engine, direction), expect(&model, direction));
        }
        // What the crash has left twice must not come back when one of the two goes: from the right to the left, or some at once.
        let keys: Vec<_> = model.keys().cloned().rev().collect();
        for some in keys.chunks(goes_at_once) {
            let some = some.iter().map(|key| (key.clone(), None)).collect();
            bring(&engine, &some).unwrap();
            change(&mut model, &some);
            prop_assert_eq!(all(&engine, Direction::Forward), expect(&model, Direction::Forward));
        }
        prop_assert_eq!(all(&engine.beneath, Direction::Forward), []);
    }

    /// Whenever a reader has seen a leaf of the engine beneath, the writer may write something before it sees the next one.
    #[test]
    fn readers_beside_the_writer_miss_nothing_that_stays(
        before in changes(300),
        runs in prop::collection::vec(changes(300), 1..4),
        leaves in prop::collection::btree_set(0..300u16, 0..30),
        schedule in prop::collection::vec(prop_oneof![3 => 0usize..4, 1 => 4usize..40], 1..20),
        ranges in prop::collection::vec((0..300u16, 0..300u16), 1..6),
    ) {
        let leaves = leaves.into_iter().map(key).collect();
        let beside = Arc::new(Beside { leaves, ..Beside::default() });
        let engine = Blocks::over(beside.clone());
        let before = raw(&before, 0);
        bring(&engine, &before).unwrap();
        let (mut stays, mut changed) = (Model::new(), BTreeSet::new());
        change(&mut stays, &before);
        beside.start_noting();
        for (turn, run) in runs.iter().enumerate() {
            let run = raw(run, turn + 1);
            bring(&engine, &run).unwrap();
            changed.extend(run.into_keys());
        }
        stays.retain(|key, _| !changed.contains(key));
        beside.write_between(schedule);
        let mut asked = stays.iter().cycle();
        let everything = KeyRange::everything();
        let bounded = ranges.iter().map(|(one, other)| range(&key(*one), &key(*other)));
        let mut ranges = bounded.chain([everything]).cycle();
        while beside.is_writing() {
            let Some(range) = ranges.next() else { break };
            let upto = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let within = stays.range::<[u8], _>((Bound::Included(range.start.as_slice()), upto));
            let within: Model = within.map(|(key, value)| (key.clone(), value.clone())).collect();
            for (key, value) in asked.by_ref().take(3) {
                let found = engine.get(key).unwrap();
                prop_assert_eq!(found.as_ref(), Some(value));
            }
            for direction in BOTH {
                let found: Vec<_> = engine.scan(range.clone(), direction).collect::<Result<_, _>>().unwrap();
                let in_order = match direction {
                    Direction::Forward => found.is_sorted_by(|(one, _), (other, _)| one < other),
                    Direction::Reverse => found.is_sorted_by(|(one, _), (other, _)| one > other),
                };
                prop_assert!(in_order, "{direction:?}");
                prop_assert_eq!(staying(found, &stays), expect(&within, direction));
            }
        }
    }
}

/// From the smaller of two keys to the larger one.
fn range(one: &Raw, other: &Raw) -> KeyRange {
    let (start, end) = (one.min(other), one.max(other));
    KeyRange { start: start.to_vec(), end: Some(end.to_vec()) }
}

/// Those that nobody changes.
fn staying(found: Vec<(Raw, Raw)>, stays: &Model) -> Vec<(Raw, Raw)> {
    found.into_iter().filter(|(key, _)| stays.contains_key(key)).collect()
}

/// A write beneath: what was there, and what is then.
type Write = (Raw, Option<Raw>, Option<Raw>);

/// An engine whose walks see a leaf at once, as sled's do, and that can write between two leaves what it was told before.
#[derive(Default)]
struct Beside {
    beneath: MemoryEngine,
    /// Where a leaf ends and another begins.
    leaves: BTreeSet<Raw>,
    noted: Mutex<Option<VecDeque<Write>>>,
    /// How many are written after each leaf.
    schedule: Mutex<VecDeque<usize>>,
}

impl Beside {
    fn start_noting(&self) {
        *self.noted.lock().unwrap() = Some(VecDeque::new());
    }

    /// Goes back to what was there before, and writes all of it again while others read.
    fn write_between(&self, schedule: Vec<usize>) {
        for (key, before, _) in self.noted.lock().unwrap().iter().flatten().rev() {
            self.beneath.write(key, before.as_ref()).unwrap();
        }
        *self.schedule.lock().unwrap() = schedule.into();
    }

    fn is_writing(&self) -> bool {
        self.noted.lock().unwrap().as_ref().is_some_and(|left| !left.is_empty())
    }

    fn leaf_was_seen(&self) {
        let mut schedule = self.schedule.lock().unwrap();
        let Some(count) = schedule.pop_front() else { return };
        // Not for ever none.
        schedule.push_back(count.max(1));
        for _ in 0..count {
            let next = self.noted.lock().unwrap().as_mut().and_then(VecDeque::pop_front);
            let Some((key, _, now)) = next else { return };
            self.beneath.write(&key, now.as_ref()).unwrap();
        }
    }
}

impl Engine for Arc<Beside> {
    fn get(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.beneath.get(key)
    }

    fn scan<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        Box::new(LeafByLeaf { of: self, rest: Some(range), direction, leaf: Vec::new().into_iter() })
    }

    fn write(&self, key: &Raw, value: Option<&Raw>) -> Result<(), Fault> {
        if let Some(noted) = &mut *self.noted.lock().unwrap() {
            noted.push_back((key.clone(), self.beneath.get(key)?, value.cloned()));
        }
        self.beneath.write(key, value)
    }

    fn commit(&self, batch: Batch) -> Result<(), Fault> {
        batch.into_writes().try_for_each(|(key, value)| self.write(&key, value.as_ref()))
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, Fault> {
        self.beneath.size_bytes()
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn retire(&self) {}
}

struct LeafByLeaf<'a> {
    of: &'a Beside,
    rest: Option<KeyRange>,
    direction: Direction,
    leaf: std::vec::IntoIter<(Raw, Raw)>,
}

impl Iterator for LeafByLeaf<'_> {
    type Item = Result<(Raw, Raw), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.leaf.len() == 0 {
            let rest = self.rest.take().filter(|rest| !rest.is_empty())?;
            let (start, end) = (Raw::from(rest.start.as_slice()), rest.end.as_deref().map(Raw::from));
            let upto = end.map_or(Bound::Unbounded, Bound::Excluded);
            let mut inner = self.of.leaves.range((Bound::Excluded(start), upto));
            let mut leaf = rest.clone();
            match self.direction {
                Direction::Forward => {
                    if let Some(first) = inner.next() {
                        leaf.end = Some(first.to_vec());
                        self.rest = Some(KeyRange { start: first.to_vec(), ..rest });
                    }
                }
                Direction::Reverse => {
                    if let Some(last) = inner.next_back() {
                        leaf.start = last.to_vec();
                        self.rest = Some(KeyRange { end: Some(last.to_vec()), ..rest });
                    }
                }
            }
            let seen: Result<Vec<_>, _> = self.of.beneath.scan(leaf, self.direction).collect();
            self.leaf = seen.unwrap().into_iter();
            self.of.leaf_was_seen();
        }
        self.leaf.next().map(Ok)
    }
}

#[test]
fn what_comes_in_order_fills_its_blocks() {
    let engine = Blocks::over(MemoryEngine::new());
    let ordered = |number: u16| Raw::from(format!("keys/that/begin/alike/{number:06}").as_bytes());
    let bring_all = |turn| {
        for hundred in 0..40u16 {
            let numbers = hundred * 100..(hundred + 1) * 100;
            bring(&engine, &numbers.map(|number| (ordered(number), Some(value(90, turn)))).collect())
                .unwrap();
        }
    };
    bring_all(0);
    let separators =
        || all(&engine.beneath, Direction::Forward).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    let before = separators();
    let blocks = all(&engine.beneath, Direction::Forward);
    let (last, full) = blocks.split_last().unwrap();
    assert!(full.iter().all(|(_, block)| block.len() > MOST_BYTES * 9 / 10), "{:?}", blocks.len());
    assert!(last.1.len() <= MOST_BYTES);
    bring_all(1);
    assert_eq!(separators(), before, "values as long as before have divided a block");
}

#[test]
fn on_sled_readers_beside_the_writer_miss_nothing_that_stays() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Blocks::over(SledEngine::open(directory.path(), 8 << 20).unwrap());
    // Even keys stay, odd ones come and go, next to each other.
    let key = |number: u16| Raw::from(format!("record/{number:06}").as_bytes());
    let even: BTreeMap<_, _> =
        (0..4_000).step_by(2).map(|number| (key(number), Some(value(60, 0)))).collect();
    bring(&engine, &even).unwrap();
    let stays: Model = even.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let readers = BOTH.map(|direction| {
            let (engine, stays, is_done) = (&engine, &stays, &is_done);
            threads.spawn(move || {
                let mut rounds = 0;
                while !is_done.load(Ordering::Relaxed) || rounds == 0 {
                    assert_eq!(staying(all(engine, direction), stays), expect(stays, direction));
                    for (key, value) in stays.iter().skip(rounds % 7).step_by(7) {
                        assert_eq!(engine.get(key).unwrap().as_ref(), Some(value));
                    }
                    rounds += 1;
                }
            })
        });
        for turn in 0..60u16 {
            let odd: BTreeSet<u16> =
                (0..4_000).filter(|number| number % 2 == 1 && number / 16 % 4 == turn / 2 % 4).collect();
            let length = (turn % 2 == 0).then_some(20 + turn * 10);
            let run: BTreeMap<_, _> =
                odd.iter().map(|number| (key(*number), length.map(|length| value(length, 1)))).collect();
            bring(&engine, &run).unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert_eq!(all(&engine, Direction::Forward), expect(&stays, Direction::Forward));
}

fn texts<const N: usize>(records: [(&str, Option<u16>); N]) -> BTreeMap<Raw, Option<Raw>> {
    records.map(|(key, length)| (Raw::from(key.as_bytes()), length.map(|length| value(length, 0)))).into()
}

/// A crash in the middle of a division that the changes after it do not touch again.
#[test]
fn what_a_crash_left_twice_does_not_come_back() {
    let engine = Blocks::over(MemoryEngine::with_crashes());
    bring(&engine, &texts([("a", Some(400)), ("b", Some(400)), ("d", Some(600))])).unwrap();
    engine.flush().unwrap();
    let divides = texts([("c", Some(300))]);
    bring(&engine, &divides).unwrap();
    // The pieces of c and d are there, and what was divided is whole.
    assert_eq!(engine.beneath.crash(2), 3);
    bring(&engine, &divides).unwrap();
    bring(&engine, &texts([("c", None), ("d", None)])).unwrap();
    assert_eq!(engine.get(b"d").unwrap(), None);
    let left: Vec<_> = all(&engine, Direction::Forward).into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [Raw::from(*b"a"), Raw::from(*b"b")]);
    bring(&engine, &texts([("a", None), ("b", None)])).unwrap();
    assert_eq!(all(&engine.beneath, Direction::Forward), []);
}

/// Between two leaves that a walk from the right sees, its last block is divided and what is on the left is removed.
#[test]
fn a_walk_from_the_right_goes_back_for_what_has_moved_behind_it() {
    let leaves = [Raw::from(*b"a15")].into();
    let beside = Arc::new(Beside { leaves, ..Beside::default() });
    let engine = Blocks::over(beside.clone());
    bring(&engine, &texts([("a1", Some(700)), ("a2", Some(700)), ("c", Some(900))])).unwrap();
    beside.start_noting();
    bring(&engine, &texts([("a15", Some(700))])).unwrap();
    bring(&engine, &texts([("a1", None)])).unwrap();
    // First the block where the walk will end is looked for, then the leaf on the right is seen.
    beside.write_between(vec![0, 100]);
    let found: Vec<_> = all(&engine, Direction::Reverse).into_iter().map(|(key, _)| key).collect();
    assert!(!beside.is_writing());
    assert!(found.contains(&Raw::from(*b"a2")), "{found:?}");
}
