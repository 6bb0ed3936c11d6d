//! A copy travels from one store to another: whole, in pieces, resumed, damaged.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for more than tests")]

mod common;

use std::sync::Arc;

use common::{Body, Count, Counters, Items, Marks, frames, replicated};
use storage::{CopyCheck, ExportLimits, MemoryDisk, MemoryEngine, Read, Store, Table};

/// A store with some records, whose exports have several frames.
fn source() -> Store {
    let store = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut txn = store.begin();
    for at in 0..50u16 {
        txn.insert::<Items>(&(at, format!("item {at}")), &Body("x".repeat(at.into()))).unwrap();
        txn.insert::<Counters>(&at.into(), &Count(at.into())).unwrap();
    }
    txn.put::<Marks>(&1, &Count(1)).unwrap();
    store.commit(txn).unwrap();
    store
}

fn small_frames(store: &Store) -> storage::Export {
    let limits = ExportLimits { chunk_keys: 7, ..store.export_limits() };
    store.view().export_within(limits).unwrap()
}

fn write_mark(store: &Store) {
    let mut txn = store.begin();
    txn.put::<Marks>(&1, &Count(5)).unwrap();
    txn.put::<Counters>(&999, &Count(5)).unwrap();
    store.commit(txn).unwrap();
}

#[test]
fn a_copy_replaces_the_state_for_every_holder() {
    let (from, to) = (source(), Arc::new(Store::open(Arc::new(MemoryEngine::new())).unwrap()));
    write_mark(&to);
    let holder = to.clone();
    let stream = frames(&small_frames(&from), b"at index 12").concat();
    let mut incoming = to.receive().unwrap();
    for piece in stream.chunks(11) {
        incoming.push(piece).unwrap();
    }
    assert_eq!(incoming.records(), 100);
    let received = incoming.finish().unwrap();
    assert_eq!(received.note(), b"at index 12");
    // Until it is installed, nothing has changed.
    assert_eq!(holder.view().get::<Counters>(&999).unwrap(), Some(Count(5)));
    to.install(received, |txn| txn.put::<Marks>(&2, &Count(12))).unwrap();
    assert_eq!(replicated(&holder), replicated(&from));
    assert_eq!(holder.digest(), from.digest());
    assert_eq!(holder.view().get::<Marks>(&1).unwrap(), None);
    assert_eq!(holder.view().get::<Marks>(&2).unwrap(), Some(Count(12)));
    assert!(holder.scrub().unwrap().is_clean());
    write_mark(&to);
    assert_eq!(holder.digest().count(), 101);
}

#[test]
fn a_transaction_from_before_the_install_is_refused() {
    let to = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut txn = to.begin();
    txn.put::<Counters>(&1, &Count(1)).unwrap();
    let mut incoming = to.receive().unwrap();
    incoming.push(&frames(&source().export().unwrap(), b"").concat()).unwrap();
    to.install(incoming.finish().unwrap(), |_| Ok(())).unwrap();
    assert_eq!(to.commit(txn).unwrap_err().code(), "storage_second_writer");
}

#[test]
fn only_local_records_are_written_beside_a_copy() {
    let to = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut incoming = to.receive().unwrap();
    incoming.push(&frames(&source().export().unwrap(), b"").concat()).unwrap();
    let fault = to.install(incoming.finish().unwrap(), |txn| txn.put::<Counters>(&77_777, &Count(1)));
    assert_eq!(fault.unwrap_err().code(), "storage_corrupt");
    assert_eq!(to.digest().count(), 0);
}

#[test]
fn a_transfer_goes_on_where_it_broke() {
    let from = source();
    let export = small_frames(&from);
    let to = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut incoming = to.receive().unwrap();
    let whole = frames(&export, b"");
    incoming.push(&whole[..4].concat()).unwrap();
    incoming.push(&whole[4][..20]).unwrap();
    // The connection breaks, and the state goes on meanwhile.
    write_mark(&from);
    incoming.restart_frame();
    let mut reader = export.reader_after(incoming.last_key().unwrap());
    while let Some(frame) = reader.next_frame().unwrap() {
        incoming.push(&frame).unwrap();
    }
    let received = incoming.finish().unwrap();
    assert_eq!(received.digests(), export.digests());
}

#[test]
fn a_damaged_copy_is_refused() {
    let whole = frames(&small_frames(&source()), b"");
    let check = |stream: Vec<Vec<u8>>, code: &str| {
        let to = Store::open(Arc::new(MemoryEngine::new())).unwrap();
        let mut incoming = to.receive().unwrap();
        let fault = match incoming.push(&stream.concat()) {
            Ok(()) => incoming.finish().err().unwrap(),
            Err(fault) => fault,
        };
        assert_eq!(fault.code(), code, "{fault}");
        assert_eq!(to.digest().count(), 0);
    };
    let last = whole.len() - 1;
    let without =
        |at: usize| whole.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, f)| f.clone()).collect();
    check(without(last), "storage_incomplete");
    check(without(3), "storage_bad_copy");
    check(without(0), "storage_bad_copy");
    let mut swapped = whole.clone();
    swapped.swap(2, 3);
    check(swapped, "storage_bad_copy");
    let mut twice = whole.clone();
    twice.insert(3, whole[3].clone());
    check(twice, "storage_bad_copy");
    let mut flipped = whole.clone();
    flipped[5][20] ^= 1;
    check(flipped, "storage_bad_copy");
    let mut longer = whole.clone();
    longer.push(vec![3]);
    check(longer, "storage_bad_copy");
    let mut cut = whole.clone();
    cut[last].truncate(20);
    check(cut, "storage_incomplete");
    check(Vec::new(), "storage_incomplete");
    // As many records as the trailer says, and each frame intact, but not the records that it was made for.
    let other = source();
    let mut txn = other.begin();
    txn.put::<Counters>(&3, &Count(4)).unwrap();
    other.commit(txn).unwrap();
    let mut mixed = whole.clone();
    mixed[last] = frames(&small_frames(&other), b"").pop().unwrap();
    check(mixed, "storage_bad_copy");
}

#[test]
fn a_simulated_disk_survives_its_store() {
    let disk = MemoryDisk::new();
    let store = disk.open().unwrap();
    write_mark(&store);
    store.flush().unwrap();
    let mut txn = store.begin();
    txn.put::<Counters>(&1_000, &Count(1)).unwrap();
    store.commit(txn).unwrap();
    drop(store);
    assert_eq!(disk.crash(0), 1);
    let store = disk.open().unwrap();
    assert_eq!(store.digest().count(), 1);
    let mut incoming = store.receive().unwrap();
    incoming.push(&frames(&source().export().unwrap(), b"").concat()).unwrap();
    store.install(incoming.finish().unwrap(), |txn| txn.put::<Marks>(&1, &Count(3))).unwrap();
    drop(store);
    disk.crash(0);
    let store = disk.open().unwrap();
    assert_eq!(replicated(&store), replicated(&source()));
    assert_eq!(store.view().get::<Marks>(&1).unwrap(), Some(Count(3)));
}

/// Whatever batch a crash cuts at, the records and their digests are of the same commit.
#[test]
fn a_crash_never_parts_records_and_digests() {
    for survivors in 0..=20 {
        let disk = MemoryDisk::new();
        let store = disk.open().unwrap();
        for at in 1..=20 {
            let mut txn = store.begin();
            txn.put::<Marks>(&1, &Count(at)).unwrap();
            txn.put::<Counters>(&(at % 3), &Count(at)).unwrap();
            txn.insert::<Counters>(&(at + 100), &Count(at)).unwrap();
            store.commit(txn).unwrap();
        }
        drop(store);
        assert_eq!(disk.crash(survivors), 20);
        let store = disk.open().unwrap();
        assert!(store.scrub().unwrap().is_clean());
        let last = store.view().get::<Marks>(&1).unwrap().map_or(0, |Count(last)| last);
        assert_eq!(last, survivors as u64);
        assert_eq!(store.digest().count(), last + last.min(3));
    }
}

#[cfg(feature = "sled")]
#[test]
fn an_installed_copy_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (source(), Store::open_dir(directory.path(), 0).unwrap());
    write_mark(&to);
    for round in 0..2 {
        let mut incoming = to.receive().unwrap();
        incoming.push(&frames(&from.export().unwrap(), b"").concat()).unwrap();
        let received = incoming.finish().unwrap();
        to.install(received, |txn| txn.put::<Marks>(&2, &Count(round))).unwrap();
    }
    // One that is given up leaves nothing.
    let mut abandoned = to.receive().unwrap();
    abandoned.push(&frames(&from.export().unwrap(), b"")[0]).unwrap();
    drop(abandoned);
    let generations = || {
        let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("gen-")).count()
    };
    assert_eq!(generations(), 1);
    let before = common::records(&to, 0);
    drop(to);
    let to = Store::open_dir(directory.path(), 0).unwrap();
    assert_eq!(common::records(&to, 0), before);
    assert_eq!(replicated(&to), replicated(&from));
    assert_eq!(to.view().get::<Marks>(&2).unwrap(), Some(Count(1)));
}

#[cfg(feature = "sled")]
#[test]
fn an_engine_without_a_directory_receives_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let engine = storage::SledEngine::open(directory.path(), 0).unwrap();
    let store = Store::open(Arc::new(engine)).unwrap();
    assert_eq!(store.receive().err().unwrap().code(), "storage_no_home");
}

#[test]
fn of_a_copy_only_some_tables_are_kept() {
    let (from, to) = (source(), Store::open(Arc::new(MemoryEngine::new())).unwrap());
    let stream = frames(&small_frames(&from), b"").concat();
    let mut check = CopyCheck::new();
    stream.chunks(13).for_each(|piece| check.push(piece).unwrap());
    let checked = check.finish().unwrap();
    assert_eq!((checked.records, &checked.digests), (100, &from.digest()));
    let mut incoming = to.receive_only(|prefix| prefix == Counters::PREFIX).unwrap();
    incoming.push(&stream).unwrap();
    to.install(incoming.finish().unwrap(), |_| Ok(())).unwrap();
    assert_eq!(to.digest(), from.digest().only(|prefix| prefix == Counters::PREFIX));
    assert_eq!(to.digest().count(), 50);
    assert!(to.scrub().unwrap().is_clean());
    assert_eq!(to.digest().differing(&from.digest()), [Items::PREFIX]);
}
