//! openraft's own storage suite, on the real log and the real engine, and on their twins in memory.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use openraft::{
    StorageError,
    rt::AsyncRuntime,
    testing::log::{StoreBuilder, Suite},
};
use storage::{MemoryDisk, Store, Txn};

use crate::{
    applier::{Applier, Shares},
    apply_thread::ApplyThread,
    error::FaultLine,
    flusher::Flusher,
    log::{DiskLog, LogDisk, MemoryLog, Newest},
    machine::{Entry, Machine},
    observer::NoObserver,
    progress::Progress,
    runtime::Runtime,
    snapshot::Exports,
    stamp::{Skew, Stamper},
    state_machine::StateMachine,
    types::TypeConfig,
};

struct Nothing;

impl Machine for Nothing {
    fn apply(&mut self, _tx: &mut Txn<'_>, _entry: &Entry<'_>) -> Result<Vec<u8>, storage::Fault> {
        Ok(Vec::new())
    }
    fn committed(&mut self, _index: u64) {}
    fn restored(&mut self, _index: u64) {}
}

fn state_machine(store: Store, in_threads: bool) -> (StateMachine, Flusher) {
    let (store, fault_line) = (Arc::new(store), FaultLine::new());
    let (progress, observer) = (Arc::new(Progress::new(u64::MAX)), Arc::new(NoObserver));
    let shares = Shares {
        store: store.clone(),
        progress: progress.clone(),
        observer: observer.clone(),
        supports: 1..=1,
    };
    let (applier, _) =
        Applier::open(Box::new(Nothing), shares, |last| Stamper::new(Skew::default(), last)).unwrap();
    let applier = if in_threads {
        ApplyThread::spawn(applier, fault_line.clone()).unwrap().0
    } else {
        ApplyThread::inline(applier, fault_line.clone())
    };
    let flusher = Flusher { store, progress, observer, off_thread: in_threads };
    let running = Arc::new(AtomicBool::new(true));
    let machine =
        StateMachine { applier, flusher: flusher.clone(), exports: Exports::default(), fault_line, running };
    (machine, flusher)
}

fn log(dir: &Path, newest: Newest, flusher: Flusher) -> DiskLog {
    let before_purge = Box::new(move |index| flusher.flush_to(index));
    DiskLog::open(dir, newest, FaultLine::new(), Arc::new(NoObserver), before_purge).unwrap()
}

struct OnDisk(Newest);

impl StoreBuilder<TypeConfig, DiskLog, StateMachine, tempfile::TempDir> for OnDisk {
    async fn build(&self) -> Result<(tempfile::TempDir, DiskLog, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_dir(&dir.path().join("state"), 1 << 20).unwrap();
        let (machine, flusher) = state_machine(store, true);
        let log = log(&dir.path().join("wal"), self.0, flusher);
        Ok((dir, log, machine))
    }
}

struct InMemory;

impl StoreBuilder<TypeConfig, MemoryLog, StateMachine, ()> for InMemory {
    async fn build(&self) -> Result<((), MemoryLog, StateMachine), StorageError<TypeConfig>> {
        let (machine, _) = state_machine(MemoryDisk::new().open().unwrap(), false);
        Ok(((), LogDisk::new(Duration::ZERO).open(), machine))
    }
}

#[test]
fn the_real_store_passes_the_suite() {
    Runtime::run(async { Suite::test_all(OnDisk(Newest::Always)).await.unwrap() });
}

#[test]
fn the_real_store_passes_the_suite_on_a_log_of_the_earlier_format() {
    Runtime::run(async { Suite::test_all(OnDisk(Newest::Never)).await.unwrap() });
}

#[test]
fn the_store_in_memory_passes_the_suite() {
    Runtime::run(async { Suite::test_all(InMemory).await.unwrap() });
}
