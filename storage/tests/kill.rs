//! Killed with -9 at random moments: nothing that was flushed is lost, no batch is there by half, and the digest is that
//! of a full walk. The test program starts itself again as the process to be killed.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for more than tests")]

mod common;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Body, Count, Counters, Items, Marks, Open, open_in_blocks, say};
use storage::{Fault, Read, Span, Store};

const ROUNDS: usize = 12;
const CHILD: &str = "STORAGE_KILL_DIRECTORY";
/// Records of one batch, and how many batches later they are deleted. A batch has about 60 KB, and sled writes its log
/// in pieces of 512 KB: most pieces end in the middle of a batch.
const WIDTH: u16 = 40;
const KEPT_BATCHES: u64 = 20;
/// Counters that every so many batches are overwritten.
const HOT: u64 = 7;
/// Rarely, so that much is there that was not flushed.
const FLUSH_EVERY: u64 = 29;
/// After so many batches the child replaces its state by a copy of it.
const INSTALL_EVERY: u64 = 211;

#[test]
fn killed_at_random_moments() {
    kill_again_and_again("killed_at_random_moments", |directory| Store::open_dir(directory, 0));
}

#[test]
fn killed_at_random_moments_in_blocks() {
    kill_again_and_again("killed_at_random_moments_in_blocks", open_in_blocks);
}

fn kill_again_and_again(test: &str, open: Open) {
    if let Some(directory) = std::env::var_os(CHILD) {
        return write_until_killed(&PathBuf::from(directory), open).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut last, mut flushed_ever) = (0, 0);
    for round in 0..ROUNDS {
        let after = Duration::from_millis(20 + RandomState::new().build_hasher().finish() % 700);
        let flushed = run_and_kill(test, directory.path(), after);
        flushed_ever = flushed.unwrap_or(flushed_ever);
        let found = check(directory.path(), open);
        assert!(
            found >= flushed_ever && found >= last.min(flushed_ever),
            "round {round}, killed after {after:?}: batch {flushed_ever} was flushed, {found} is the last one there"
        );
        last = found;
    }
    assert!(flushed_ever > 0, "no round lived until its first flush");
}

/// Returns the last batch that the child reported as flushed.
fn run_and_kill(test: &str, directory: &Path, after: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let numbers = out.lines().map_while(Result::ok);
        numbers.filter_map(|line| line.strip_prefix("flushed ")?.parse().ok()).last()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Checks every promise on what the kill left; returns the number of the last batch.
fn check(directory: &Path, open: Open) -> u64 {
    let store = open(directory).unwrap();
    let last = last_batch(&store);
    let view = store.view();
    let items: Vec<_> = view.scan::<Items>(Span::all()).map(|record| record.unwrap().0).collect();
    let first = last.saturating_sub(KEPT_BATCHES) + 1;
    let mut expect: Vec<(u16, String)> =
        (first..=last).flat_map(|batch| (0..WIDTH).map(move |at| (at, name(batch)))).collect();
    expect.sort();
    assert_eq!(items, expect, "of batches {first} to {last}");
    let counters = view.scan::<Counters>(Span::all());
    for (key, Count(batch)) in counters.map(Result::unwrap) {
        assert_eq!(batch, (1..=last).rev().find(|batch| batch % HOT == key).unwrap());
    }
    drop(view);
    let report = store.scrub().unwrap();
    assert!(report.is_clean(), "tables {:?}", report.damaged_tables());
    last
}

fn last_batch(store: &Store) -> u64 {
    store.view().get::<Marks>(&0).unwrap().map_or(0, |Count(last)| last)
}

fn name(batch: u64) -> String {
    format!("{batch:010}")
}

/// Ends on its own after a while, should the parent be gone.
fn write_until_killed(directory: &Path, open: Open) -> Result<(), Fault> {
    let began = Instant::now();
    let store = open(directory)?;
    let mut last = last_batch(&store);
    while began.elapsed() < Duration::from_secs(20) {
        last += 1;
        write(&store, last)?;
        if last.is_multiple_of(FLUSH_EVERY) {
            store.flush()?;
            say(&format!("flushed {last}"));
        }
        if last.is_multiple_of(INSTALL_EVERY) {
            replace_by_copy(&store, last)?;
            say(&format!("flushed {last}"));
        }
    }
    Ok(())
}

fn write(store: &Store, batch: u64) -> Result<(), Fault> {
    // Some are so large that sled keeps their page in a file of its own.
    let step = if batch.is_multiple_of(6) { 600 } else { 75 };
    let mut txn = store.begin();
    txn.put::<Marks>(&0, &Count(batch))?;
    txn.put::<Counters>(&(batch % HOT), &Count(batch))?;
    for at in 0..WIDTH {
        txn.insert::<Items>(&(at, name(batch)), &Body("x".repeat(usize::from(at) * step)))?;
        if batch > KEPT_BATCHES {
            txn.delete::<Items>(&(at, name(batch - KEPT_BATCHES)))?;
        }
    }
    store.commit(txn)
}

fn replace_by_copy(store: &Store, batch: u64) -> Result<(), Fault> {
    let export = store.export()?;
    let mut incoming = store.receive()?;
    let mut reader = export.reader(b"")?;
    while let Some(frame) = reader.next_frame()? {
        incoming.push(&frame)?;
    }
    store.install(incoming.finish()?, |txn| txn.put::<Marks>(&0, &Count(batch)))
}
