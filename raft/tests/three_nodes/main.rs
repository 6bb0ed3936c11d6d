//! Three nodes in one process, over a simulated network, on logs and engines that forget what was not synced.
//!
//! One seed derives the workload and the faults, in paused time and on one thread. A failure says how to run its
//! seed again. Each invariant is a file of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail it")]

mod cluster;
mod faults;
mod invariants;
mod journal;
mod membership;
mod refetch;
mod run;
mod scenarios;

use std::sync::atomic::{AtomicU64, Ordering};

use run::{Report, run_seed};

/// How many seeds every run of the tests tries; `RAFT_SEEDS` asks for more.
const SEEDS: u64 = 20;

#[test]
fn nothing_is_lost_whatever_fails() {
    let seeds = std::env::var("RAFT_SEEDS").map_or(SEEDS, |count| count.parse().unwrap());
    let next = AtomicU64::new(0);
    // Two at a time: each has a thread, and nothing outside it.
    let worker = || {
        let mut total = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return total;
            }
            total.add(&run_seed(seed));
        }
    };
    let total = std::thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().fold(Report::default(), |mut total, worker| {
            total.add(&worker.join().unwrap());
            total
        })
    });
    println!("{total:?}");
    // What no seed did was not tested.
    assert!(total.acknowledged > 1_000, "{total:?}");
    assert!(total.crashes > 20 && total.blackouts > 5 && total.cuts > 20 && total.transfers > 5, "{total:?}");
    assert!(total.installs > 0, "no node ever needed a snapshot: {total:?}");
    assert!(total.terms > 20, "the lead never changed: {total:?}");
}

/// `RAFT_SEED=17 cargo test -p raft --test three_nodes replay -- --ignored --nocapture`
///
/// Several times, because tokio wakes those who wait for the same thing in an order of its own (see DESIGN.md).
#[test]
#[ignore = "replays one seed, named by RAFT_SEED"]
fn replay() {
    let seed = std::env::var("RAFT_SEED").unwrap().parse().unwrap();
    for _ in 0..10 {
        println!("{:?}", run_seed(seed));
    }
}
