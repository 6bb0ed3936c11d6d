//! A rebuild: the same state in smaller files, while another thread commits all the time.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for more than tests")]

mod common;

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Body, Count, Counters, Items, Marks, Open, frames, open_in_blocks, replicated};
use storage::{MemoryDisk, Read, Store};

/// One commit of the writer: some keys overwritten, some new, some gone, and how far it is.
fn commit(store: &Store, number: u64) {
    let mut txn = store.begin();
    for at in 0..20u16 {
        txn.put::<Items>(&(at, format!("hot {}", number % 50)), &Body("x".repeat(300))).unwrap();
    }
    txn.insert::<Counters>(&(1_000_000 + number), &Count(number)).unwrap();
    if number > 40 {
        txn.delete::<Counters>(&(1_000_000 + number - 40)).unwrap();
    }
    txn.put::<Marks>(&1, &Count(number)).unwrap();
    store.commit(txn).unwrap();
}

fn mark(store: &Store) -> u64 {
    store.view().get::<Marks>(&1).unwrap().unwrap().0
}

/// Rebuilds while a thread commits; what is there then must be all that was committed, by walk and by digest.
fn check(store: Arc<Store>) -> storage::Rebuilt {
    check_from(1, store)
}

fn check_from(first: u64, store: Arc<Store>) -> storage::Rebuilt {
    for number in first..300 {
        commit(&store, number);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        move || {
            let mut number = 300;
            while !stop.load(Ordering::Relaxed) {
                commit(&store, number);
                number += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
            number - 1
        }
    });
    std::thread::sleep(Duration::from_millis(20));
    let before = mark(&store);
    let rebuilt = store
        .rebuild(|_| {
            std::thread::sleep(Duration::from_millis(5));
            Continue(())
        })
        .unwrap();
    std::thread::sleep(Duration::from_millis(20));
    stop.store(true, Ordering::Relaxed);
    let last = writer.join().unwrap();
    assert!(last > before + 5, "nothing was committed meanwhile: {before} to {last}");
    assert_eq!(mark(&store), last);
    let report = store.scrub().unwrap();
    assert!(report.is_clean(), "damaged: {:?}", report.damaged_tables());
    rebuilt
}

#[test]
fn nothing_is_lost_while_commits_go_on() {
    for _ in 0..5 {
        check(Arc::new(MemoryDisk::new().open().unwrap()));
    }
}

#[test]
fn files_shrink_and_are_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open_dir(directory.path(), 0).unwrap());
    for number in 0..3_000 {
        commit(&store, number);
        // Often, or most of what is overwritten would never have come into the files.
        if number % 20 == 0 {
            store.flush().unwrap();
        }
    }
    let mut txn = store.begin();
    for number in 2_960..3_000 {
        txn.delete::<Counters>(&(1_000_000 + number)).unwrap();
    }
    store.commit(txn).unwrap();
    store.flush().unwrap();
    let rebuilt = store.rebuild(|_| Continue(())).unwrap();
    assert!(rebuilt.size_after * 2 < rebuilt.size_before, "{rebuilt:?}");
    let (digest, records) = (store.digest(), replicated(&store));
    assert!(!directory.path().join("gen-1").exists() && directory.path().join("gen-2").exists());
    drop(store);
    let store = Store::open_dir(directory.path(), 0).unwrap();
    assert_eq!((store.digest(), replicated(&store), mark(&store)), (digest, records, 2_999));
}

#[test]
fn on_disk_while_commits_go_on() {
    let opens: [Open; 2] = [|directory| Store::open_dir(directory, 0), open_in_blocks];
    for open in opens {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(open(directory.path()).unwrap());
        check(store.clone());
        let (digest, last) = (store.digest(), mark(&store));
        store.flush().unwrap();
        drop(store);
        let store = Store::open_dir(directory.path(), 0).unwrap();
        assert_eq!((store.digest(), mark(&store)), (digest, last));
        assert!(store.scrub().unwrap().is_clean());
    }
}

#[test]
fn a_state_comes_into_blocks_when_that_is_allowed_and_stays_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open_dir(directory.path(), 0).unwrap());
    commit(&store, 1);
    store.rebuild(|_| Continue(())).unwrap();
    assert!(!store.wants_blocks() && directory.path().join("gen-2").exists());
    store.allow_blocks();
    assert!(store.wants_blocks());
    check_from(2, store.clone());
    assert!(!store.wants_blocks() && directory.path().join("gen-3-blocks").exists());
    let (digest, last) = (store.digest(), mark(&store));
    drop(store);
    let store = Arc::new(Store::open_dir(directory.path(), 0).unwrap());
    assert_eq!((store.digest(), mark(&store)), (digest, last));
    assert!(store.scrub().unwrap().is_clean());
    store.rebuild(|_| Continue(())).unwrap();
    assert!(!store.wants_blocks() && directory.path().join("gen-4-blocks").exists());
}

#[test]
fn an_open_export_and_an_open_transaction_go_on() {
    let disk = MemoryDisk::new();
    let store = disk.open().unwrap();
    for number in 1..60 {
        commit(&store, number);
    }
    let export = store.export().unwrap();
    let expect = frames(&export, b"");
    let mut txn = store.begin();
    txn.put::<Marks>(&1, &Count(77)).unwrap();
    store.rebuild(|_| Continue(())).unwrap();
    store.commit(txn).unwrap();
    commit(&store, 60);
    assert_eq!(mark(&store), 60);
    assert_eq!(frames(&export, b""), expect);
    drop(store);
    assert_eq!(mark(&disk.open().unwrap()), 60);
}

#[test]
fn a_state_that_was_replaced_is_not_put_back() {
    let store = MemoryDisk::new().open().unwrap();
    commit(&store, 1);
    let other = MemoryDisk::new().open().unwrap();
    commit(&other, 9);
    let mut installed = false;
    let fault = store
        .rebuild(|_| {
            if !std::mem::replace(&mut installed, true) {
                let mut incoming = store.receive().unwrap();
                incoming.push(&frames(&other.export().unwrap(), b"").concat()).unwrap();
                store.install(incoming.finish().unwrap(), |_| Ok(())).unwrap();
            }
            Continue(())
        })
        .unwrap_err();
    assert_eq!(fault.code(), "storage_superseded");
    assert_eq!(store.digest(), other.digest());
}

#[test]
fn one_that_is_broken_off_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_dir(directory.path(), 0).unwrap();
    commit(&store, 1);
    let (digest, records) = (store.digest(), replicated(&store));
    assert_eq!(store.rebuild(|_| Break(())).unwrap_err().code(), "storage_broken_off");
    assert_eq!(store.open_exports(), 0);
    assert!(directory.path().join("gen-1").exists() && !directory.path().join("gen-2").exists());
    commit(&store, 2);
    assert_ne!((store.digest(), replicated(&store)), (digest, records));
    assert!(store.rebuild(|_| Continue(())).is_ok());
}

#[test]
fn live_bytes_are_those_of_keys_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_dir(directory.path(), 0).unwrap();
    for number in 1..2_000 {
        commit(&store, number);
    }
    let export = store.export().unwrap();
    let counted = store.live_bytes(|_| Continue(())).unwrap();
    drop(export);
    let rebuilt = store.rebuild(|_| Continue(())).unwrap();
    // The records of this crate and the node are counted too, and are not in an export.
    assert!((rebuilt.bytes..rebuilt.bytes + 200).contains(&counted), "{counted}, {rebuilt:?}");
    assert_eq!(store.live_bytes(|_| Break(())).unwrap_err().code(), "storage_broken_off");
}
