//! What is in a store's directory when it is opened: half-written, lost, foreign and locked files.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for more than tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{Count, Counters, Marks, Open, open_in_blocks};
use storage::{Fault, Read, Store};

fn open(directory: &Path) -> Result<Store, Fault> {
    Store::open_dir(directory, 0)
}

/// A directory with one flushed record.
fn made() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let mut txn = store.begin();
    txn.put::<Counters>(&1, &Count(7)).unwrap();
    txn.put::<Marks>(&1, &Count(8)).unwrap();
    store.commit(txn).unwrap();
    store.flush().unwrap();
    directory
}

fn check_record(directory: &Path) {
    let store = open(directory).unwrap();
    assert_eq!(store.view().get::<Counters>(&1).unwrap(), Some(Count(7)));
    assert_eq!(store.view().get::<Marks>(&1).unwrap(), Some(Count(8)));
}

fn refused(directory: &Path, code: &str, text: &str) {
    let fault = open(directory).err().unwrap();
    assert_eq!(fault.code(), code, "{fault}");
    assert!(fault.to_string().contains(text), "{fault}");
}

#[test]
fn it_is_there_again_after_closing() {
    let directory = made();
    check_record(directory.path());
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["CURRENT", "FORMAT", "LOCK", "gen-1"]);
    assert_eq!(fs::read(directory.path().join("FORMAT")).unwrap(), b"state 1\n");
    assert_eq!(fs::read(directory.path().join("CURRENT")).unwrap(), b"gen-1\n");
}

#[test]
fn the_removal_of_an_obsolete_state_is_gone_on_with() {
    let directory = made();
    let gone = directory.path().join("gone-gen-7");
    fs::create_dir(&gone).unwrap();
    fs::write(gone.join("db"), b"records").unwrap();
    check_record(directory.path());
    assert!(!gone.exists());
}

/// A program that knows nothing of redo files looks into the engine's own files, and must find all or refuse.
#[test]
fn only_a_closed_state_looks_like_one_of_before_redo_files() {
    let directory = tempfile::tempdir().unwrap();
    let format = || fs::read_to_string(directory.path().join("FORMAT")).unwrap();
    let store = open(directory.path()).unwrap();
    let mut txn = store.begin();
    txn.put::<Counters>(&1, &Count(7)).unwrap();
    store.commit(txn).unwrap();
    assert_eq!(format(), "state 2\n");
    store.close().unwrap();
    assert_eq!(format(), "state 1\n");
    assert_eq!(store.view().get::<Counters>(&1).unwrap(), Some(Count(7)));
    let mut txn = store.begin();
    txn.put::<Counters>(&1, &Count(8)).unwrap();
    assert_eq!(store.commit(txn).unwrap_err().code(), "storage_engine");
    drop(store);
    drop(open(directory.path()).unwrap());
    assert_eq!(format(), "state 1\n", "dropping closes, too");
    let engine = storage::SledEngine::open(&directory.path().join("gen-1"), 0).unwrap();
    let counters = Store::open(std::sync::Arc::new(engine)).unwrap();
    assert_eq!(counters.view().get::<Counters>(&1).unwrap(), Some(Count(7)));
}

/// A program that knows nothing of blocks looks at `FORMAT` first, and must refuse.
#[test]
fn a_state_in_blocks_says_so_as_long_as_it_is_the_current_one() {
    let directory = made();
    let format = || fs::read_to_string(directory.path().join("FORMAT")).unwrap();
    let store = open_in_blocks(directory.path()).unwrap();
    assert_eq!(format(), "state 4\n");
    assert_eq!(fs::read(directory.path().join("CURRENT")).unwrap(), b"gen-2-blocks\n");
    drop(store);
    assert_eq!(format(), "state 3\n");
    check_record(directory.path());
    assert_eq!(format(), "state 3\n");
    // A crash after that was said, and before the generation was the current one.
    let directory = made();
    fs::write(directory.path().join("FORMAT"), "state 4\n").unwrap();
    fs::create_dir(directory.path().join("gen-2-blocks")).unwrap();
    let store = open(directory.path()).unwrap();
    assert!(!store.was_closed() && !store.wants_blocks());
    assert!(!directory.path().join("gen-2-blocks").exists());
    assert_eq!(fs::read_to_string(directory.path().join("FORMAT")).unwrap(), "state 2\n");
    drop(store);
    check_record(directory.path());
}

#[test]
fn it_is_known_whether_it_was_closed() {
    let opens: [Open; 2] = [open, open_in_blocks];
    for (open, unsettled) in opens.into_iter().zip(["state 2\n", "state 4\n"]) {
        let directory = tempfile::tempdir().unwrap();
        assert!(open(directory.path()).unwrap().was_closed(), "a new one is");
        assert!(open(directory.path()).unwrap().was_closed());
        // As a process that was killed leaves it.
        fs::write(directory.path().join("FORMAT"), unsettled).unwrap();
        let store = open(directory.path()).unwrap();
        assert!(!store.was_closed());
        drop(store);
        assert!(open(directory.path()).unwrap().was_closed());
    }
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    refused(directory.path(), "storage_in_use", "in use by another process");
    drop(store);
    open(directory.path()).unwrap();
}

#[test]
fn an_unknown_format_is_refused() {
    let directory = made();
    fs::write(directory.path().join("FORMAT"), "state 5\n").unwrap();
    refused(directory.path(), "storage_unknown_format", "state 5");
    fs::write(directory.path().join("FORMAT"), [0xff, 0xfe]).unwrap();
    refused(directory.path(), "storage_unknown_format", "no text");
}

#[test]
fn a_half_written_snapshot_of_sled_is_removed() {
    let directory = made();
    fs::write(directory.path().join("gen-1/snap.0000000000000010.generating"), b"par").unwrap();
    check_record(directory.path());
}

#[test]
fn other_generations_are_removed() {
    let directory = made();
    fs::create_dir(directory.path().join("gen-9")).unwrap();
    fs::write(directory.path().join("gen-9/db"), b"half received").unwrap();
    check_record(directory.path());
    assert!(!directory.path().join("gen-9").exists());
}

#[test]
fn lost_files_are_faults_and_never_an_empty_store() {
    let check = |lose: &dyn Fn(&Path), text: &str| {
        let directory = made();
        lose(directory.path());
        refused(directory.path(), "storage_corrupt", text);
    };
    check(&|at| fs::remove_file(at.join("CURRENT")).unwrap(), "CURRENT is missing");
    check(&|at| fs::remove_file(at.join("FORMAT")).unwrap(), "FORMAT is missing");
    check(&|at| fs::remove_dir_all(at.join("gen-1")).unwrap(), "gen-1, which is missing");
    check(&|at| fs::write(at.join("CURRENT"), "elsewhere").unwrap(), "does not name a generation");
    check(
        &|at| {
            fs::remove_dir_all(at.join("gen-1")).unwrap();
            fs::create_dir(at.join("gen-1")).unwrap();
        },
        "are missing",
    );
}

#[test]
fn an_interrupted_first_start_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    // CURRENT is the last file that a first start makes.
    fs::remove_file(directory.path().join("CURRENT")).unwrap();
    drop(open(directory.path()).unwrap());
    open(directory.path()).unwrap();
}

#[test]
fn bare_files_of_an_engine_become_the_first_generation() {
    for half_moved in [false, true] {
        let made = made();
        let directory = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(made.path().join("gen-1")).unwrap() {
            let entry = entry.unwrap();
            fs::rename(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
        if half_moved {
            fs::write(directory.path().join("ADOPTING"), "gen-1\n").unwrap();
            fs::create_dir(directory.path().join("gen-1")).unwrap();
            fs::rename(directory.path().join("db"), directory.path().join("gen-1/db")).unwrap();
        }
        check_record(directory.path());
        check_record(directory.path());
        assert!(!directory.path().join("ADOPTING").exists() && !directory.path().join("db").exists());
    }
}
