//! Any sequence of transactions gives the same reads, state, digest and scans on both engines, and in a directory in blocks, and
//! those of a plain map.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for more than tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Body, Items, Marks, open_in_blocks, records, replicated};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, proptest};
use proptest::{collection, prop_oneof};
use storage::{MemoryEngine, Read, Scope, SledEngine, Span, Store, Txn};

type ItemKey = (u16, String);
type Model = BTreeMap<(u32, u16, String), Body>;

#[derive(Debug, Clone)]
enum Change {
    /// `insert` where the model says that the key is new, else `put`.
    Set(ItemKey, u16),
    Put(ItemKey, u16),
    Delete(ItemKey),
    Scope(u32),
    Mark(u8),
}

#[derive(Debug, Clone)]
struct Query {
    from: ItemKey,
    until: ItemKey,
    resume: Option<ItemKey>,
    reversed: bool,
}

#[derive(Debug, Clone)]
struct Command {
    changes: Vec<Change>,
    query: Query,
    rolled_back: bool,
}

fn item_key() -> impl Strategy<Value = ItemKey> {
    (0u16..4, prop_oneof![Just(""), Just("\0"), Just("a"), Just("a\0"), Just("ab"), Just("b")])
        .prop_map(|(group, name)| (group, name.to_owned()))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => (item_key(), 0u16..300).prop_map(|(key, length)| Change::Set(key, length)),
        3 => (item_key(), 0u16..300).prop_map(|(key, length)| Change::Put(key, length)),
        4 => item_key().prop_map(Change::Delete),
        1 => (0u32..3).prop_map(Change::Scope),
        1 => (0u8..4).prop_map(Change::Mark),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    (item_key(), item_key(), proptest::option::of(item_key()), any::<bool>())
        .prop_map(|(from, until, resume, reversed)| Query { from, until, resume, reversed })
}

fn runs() -> impl Strategy<Value = Vec<Vec<Command>>> {
    let command = (collection::vec(change(), 0..8), query(), proptest::bool::weighted(0.3))
        .prop_map(|(changes, query, rolled_back)| Command { changes, query, rolled_back });
    collection::vec(collection::vec(command, 0..6), 1..10)
}

/// Applies one command; everything the store answers on the way is compared with the model.
fn apply(txn: &mut Txn<'_>, model: &mut Model, command: &Command) {
    let before = model.clone();
    let mut scope = 1;
    txn.set_scope(Scope(scope));
    txn.begin();
    for (at, change) in command.changes.iter().enumerate() {
        let body = |length: u16| Body(char::from(b'a' + at as u8).to_string().repeat(length.into()));
        match change {
            Change::Set(key, length) => {
                let is_new = !model.contains_key(&(scope, key.0, key.1.clone()));
                if is_new {
                    txn.insert::<Items>(key, &body(*length)).unwrap();
                } else {
                    txn.put::<Items>(key, &body(*length)).unwrap();
                }
                model.insert((scope, key.0, key.1.clone()), body(*length));
            }
            Change::Put(key, length) => {
                txn.put::<Items>(key, &body(*length)).unwrap();
                model.insert((scope, key.0, key.1.clone()), body(*length));
            }
            Change::Delete(key) => {
                let was_there = model.remove(&(scope, key.0, key.1.clone())).is_some();
                assert_eq!(txn.delete::<Items>(key).unwrap(), was_there);
            }
            Change::Scope(other) => {
                scope = *other;
                txn.set_scope(Scope(scope));
            }
            Change::Mark(mark) => txn.put::<Marks>(mark, &common::Count(at as u64)).unwrap(),
        }
    }
    check_query(txn, model, scope, &command.query);
    if command.rolled_back {
        txn.rollback();
        *model = before;
        check_query(txn, model, scope, &command.query);
    } else {
        txn.keep();
    }
}

fn check_query(txn: &impl Read, model: &Model, scope: u32, query: &Query) {
    let mut span = Span::<Items>::from(&query.from).until(&query.until);
    if query.reversed {
        span = span.reversed();
    }
    if let Some(key) = &query.resume {
        span = span.resume_after(key);
    }
    let found: Vec<(ItemKey, Body)> = txn.scan(span).collect::<Result<_, _>>().unwrap();
    let mut expect: Vec<(ItemKey, Body)> = model
        .iter()
        .filter(|((at, _, _), _)| *at == scope)
        .map(|((_, group, name), body)| ((*group, name.clone()), body.clone()))
        .filter(|(key, _)| *key >= query.from && *key < query.until)
        .filter(|(key, _)| match &query.resume {
            Some(resume) if query.reversed => key < resume,
            Some(resume) => key > resume,
            None => true,
        })
        .collect();
    if query.reversed {
        expect.reverse();
    }
    assert_eq!(found, expect, "{query:?}");
    let group: Vec<ItemKey> =
        txn.scan::<Items>(Span::prefix(&query.from.0)).map(|record| record.unwrap().0).collect();
    let in_group = |(at, group, _): &&(u32, u16, String)| *at == scope && *group == query.from.0;
    assert_eq!(group.len(), model.keys().filter(in_group).count());
    let one = model.get(&(scope, query.from.0, query.from.1.clone()));
    assert_eq!(txn.get::<Items>(&query.from).unwrap().as_ref(), one);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_sequence_of_transactions(runs in runs()) {
        let (bare, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let memory = Store::open(Arc::new(MemoryEngine::new())).unwrap();
        let open_sled = || Store::open(Arc::new(SledEngine::open(bare.path(), 0).unwrap())).unwrap();
        let open_blocks = || open_in_blocks(directory.path()).unwrap();
        let files = [open_sled(), open_blocks()];
        let mut model = Model::new();
        for (turn, commands) in runs.iter().enumerate() {
            let before = model.clone();
            let mut txn = memory.begin();
            commands.iter().for_each(|command| apply(&mut txn, &mut model, command));
            memory.commit(txn).unwrap();
            for store in &files {
                let mut model = before.clone();
                let mut txn = store.begin();
                commands.iter().for_each(|command| apply(&mut txn, &mut model, command));
                store.commit(txn).unwrap();
                assert_eq!(memory.digest(), store.digest());
                if turn % 3 == 2 {
                    store.flush().unwrap();
                }
            }
            if let Some(command) = commands.last() {
                for store in files.iter().chain([&memory]) {
                    check_query(&store.view().in_scope(Scope(1)), &model, 1, &command.query);
                }
            }
        }
        // The digests, of which an empty directory has a record already, are compared as they are.
        assert_eq!(replicated(&memory).len(), model.len());
        for store in files.iter().chain([&memory]) {
            assert_eq!(records(&memory, 1), records(store, 1));
            assert_eq!(store.digest().count(), model.len() as u64);
            assert!(store.scrub().unwrap().is_clean());
            store.flush().unwrap();
        }
        drop(files);
        for reopened in [open_sled(), open_blocks()] {
            assert_eq!(records(&memory, 1), records(&reopened, 1));
            assert_eq!(memory.digest(), reopened.digest());
        }
    }
}
