//! A cluster of one on a real log and a real engine: commands, restarts, replay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail it")]

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use net::Isolated;
use raft::{Clock, Config, Consistency, Entry, Host, Machine, NodeInfo, Role, SubmitError};
use storage::{Fault, Read, Store, Table, Txn, versioned};
use tokio::time::Instant;

struct Words;

impl Table for Words {
    const PREFIX: u8 = 0x20;
    const NAME: &'static str = "words";
    type Key = u64;
    type Value = Word;
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Word(Vec<u8>);
versioned!(Word, 1);

/// Keeps each command under its index; refuses the empty one. `raise to N` activates the rules of version N.
#[derive(Default)]
struct Keeper {
    raised: Option<u32>,
}

impl Machine for Keeper {
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault> {
        tx.insert::<Words>(&entry.index, &Word(entry.payload.to_vec()))?;
        match entry.payload {
            b"panic" => panic!("as asked"),
            b"fault" => return Err(Fault::NoHome),
            text => self.raised = version_in(text),
        }
        if entry.payload.is_empty() {
            tx.rollback();
            return Ok(b"refused".to_vec());
        }
        match entry.payload {
            b"rules" => Ok(entry.active_version.to_be_bytes().to_vec()),
            _ => Ok(entry.now_ms.to_be_bytes().to_vec()),
        }
    }

    fn raised(&mut self) -> Option<u32> {
        self.raised.take()
    }

    fn committed(&mut self, _index: u64) {}

    fn restored(&mut self, _index: u64) {}
}

fn version_in(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.strip_prefix("raise to ")?.parse().ok()
}

struct FixedClock(u64);

impl Clock for FixedClock {
    fn now_ms(&self) -> u64 {
        self.0
    }

    fn seed(&self) -> [u8; 16] {
        [9; 16]
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn store(dir: &Path) -> Arc<Store> {
    Arc::new(Store::open_dir(&dir.join("state"), 16 << 20).unwrap())
}

async fn start(dir: &Path, now_ms: u64, change: impl FnOnce(&mut Config)) -> (Host, Arc<Store>) {
    let (host, store) = try_start(dir, now_ms, change).await;
    (host.unwrap(), store)
}

async fn try_start(
    dir: &Path,
    now_ms: u64,
    change: impl FnOnce(&mut Config),
) -> (Result<Host, raft::Fault>, Arc<Store>) {
    let store = store(dir);
    let mut config = Config::new(1, "test");
    change(&mut config);
    let (clock, wal, keeper) = (Arc::new(FixedClock(now_ms)), dir.join("wal"), Keeper::default());
    let host = Host::start(config, keeper, store.clone(), wal, Arc::new(Isolated), clock).await;
    (host, store)
}

fn command(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn commands_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (host, held) = start(dir.path(), 1_000, |_| {}).await;
    assert!(!host.status().initialized);
    assert!(host.bootstrap(NodeInfo { name: "one".into(), ..NodeInfo::default() }).await.unwrap());
    assert!(!host.bootstrap(NodeInfo::default()).await.unwrap());

    let first = host.submit(command("hello"), soon()).await.unwrap();
    assert_eq!(first.outcome.as_ref(), 1_000u64.to_be_bytes());
    let index = host.read(Consistency::Linearizable, Some(first.index), soon()).await.unwrap();
    assert!(index >= first.index);
    assert_eq!(host.view().get::<Words>(&first.index).unwrap(), Some(Word(b"hello".to_vec())));
    let status = host.status();
    assert_eq!((status.role, status.leader, status.members.len()), (Role::Leader, Some(1), 1));

    let refused = host.submit(Bytes::new(), soon()).await.unwrap();
    assert_eq!(refused.outcome.as_ref(), b"refused");
    assert_eq!(host.view().get::<Words>(&refused.index).unwrap(), None);
    let digest = host.view().digests().clone();
    host.shutdown().await;
    drop((host, held));

    // An hour earlier by this clock: time in the log does not go back.
    let (host, _held) = start(dir.path(), 500, |_| {}).await;
    assert_eq!(host.view().get::<Words>(&first.index).unwrap(), Some(Word(b"hello".to_vec())));
    assert_eq!(*host.view().digests(), digest);
    let second = host.submit(command("again"), soon()).await.unwrap();
    assert_eq!(second.outcome.as_ref(), 1_000u64.to_be_bytes());
    assert_eq!(host.status().members[0].info.name, "one");
    assert!(host.faulted().borrow().is_none());
    host.shutdown().await;
}

#[tokio::test]
async fn a_state_left_behind_is_replayed_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let never = |config: &mut Config| {
        config.flush_every = Duration::from_secs(3600);
        config.flush_entries = u64::MAX;
    };
    let (host, held) = start(dir.path(), 1_000, never).await;
    host.bootstrap(NodeInfo::default()).await.unwrap();
    let mut last = 0;
    for n in 0..200 {
        last = host.submit(command(&format!("word {n}")), soon()).await.unwrap().index;
    }
    let digest = host.view().digests().clone();
    host.shutdown().await;
    drop((host, held));
    // The state is lost altogether; the log has it.
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();

    let (host, _held) = start(dir.path(), 1_000, never).await;
    host.read(Consistency::Linearizable, Some(last), soon()).await.unwrap();
    assert_eq!(host.view().get::<Words>(&last).unwrap(), Some(Word(b"word 199".to_vec())));
    assert_eq!(*host.view().digests(), digest);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_trimmed_behind_the_durable_state() {
    let dir = tempfile::tempdir().unwrap();
    let short = |config: &mut Config| {
        config.snapshot_entries = 100;
        config.keep_entries = 10;
    };
    let (host, held) = start(dir.path(), 1_000, short).await;
    host.bootstrap(NodeInfo::default()).await.unwrap();
    let mut tasks = Vec::new();
    for writer in 0..16 {
        let host = host.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..64 {
                host.submit(command(&format!("{writer}/{n}")), soon()).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let deadline = soon();
    while host.status().purged_index < 500 {
        assert!(Instant::now() < deadline, "{:?}", host.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = host.status();
    assert!(status.purged_index <= status.durable_index, "{status:?}");
    let digest = host.view().digests().clone();
    host.shutdown().await;
    drop((host, held));

    let (host, _held) = start(dir.path(), 1_000, short).await;
    assert_eq!(*host.view().digests(), digest);
    host.submit(command("still here"), soon()).await.unwrap();
    host.shutdown().await;
}

#[tokio::test]
async fn a_second_process_on_the_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (host, _held) = start(dir.path(), 1_000, |_| {}).await;
    let other = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock(0));
    let config = Config::new(1, "test");
    let second = Host::start(
        config,
        Keeper::default(),
        store(other.path()),
        dir.path().join("wal"),
        Arc::new(Isolated),
        clock,
    );
    assert_eq!(second.await.err().map(|fault| fault.code()), Some("wal_failed"));
    host.shutdown().await;
}

/// Without its log a node could vote twice in a term, and would forget what it has acknowledged.
#[tokio::test]
async fn a_log_that_was_lost_is_not_begun_anew() {
    for has_mark in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("LOG");
        let marked = |config: &mut Config| config.log_mark = has_mark.then(|| mark.clone());
        let (host, held) = start(dir.path(), 1_000, marked).await;
        assert_eq!(mark.exists(), has_mark);
        host.bootstrap(NodeInfo::default()).await.unwrap();
        host.submit(command("acknowledged"), soon()).await.unwrap();
        host.shutdown().await;
        drop((host, held));
        std::fs::remove_dir_all(dir.path().join("wal")).unwrap();
        // Without the mark the state tells: it has followed a leader of whom this log knows nothing.
        let (refused, _held) = try_start(dir.path(), 1_000, marked).await;
        assert_eq!(refused.err().map(|fault| fault.code()), Some("wal_lost"));
    }
}

#[tokio::test]
async fn refusals_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (host, _held) = start(dir.path(), 1_000, |_| {}).await;
    // No cluster yet, so nobody leads.
    let none = host.submit(command("early"), Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(none, Err(SubmitError::NoQuorum));
    host.bootstrap(NodeInfo::default()).await.unwrap();
    host.submit(command("first"), soon()).await.unwrap();
    let huge = host.submit(Bytes::from(vec![0; raft::MAX_COMMAND_BYTES + 1]), soon()).await;
    assert!(matches!(huge, Err(SubmitError::TooLarge { .. })));
    let most = host.submit(Bytes::from(vec![7; raft::MAX_COMMAND_BYTES]), soon()).await;
    assert!(most.is_ok());
    host.shutdown().await;
    let stopped = host.submit(command("late"), soon()).await;
    assert_eq!(stopped, Err(SubmitError::Stopped));
}

#[tokio::test]
async fn an_idle_leader_proposes_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (host, _held) = start(dir.path(), 1_000, |config| {
        config.checkpoint_when_idle = Some(Duration::from_millis(50));
    })
    .await;
    host.bootstrap(NodeInfo::default()).await.unwrap();
    let last = host.submit(command("busy"), soon()).await.unwrap().index;
    let mut applied = host.applied();
    tokio::time::timeout_at(soon(), applied.wait_for(|index| *index > last)).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let status = host.status();
    assert_eq!(status.applied_index, last + 1, "one checkpoint, then silence");
    assert_eq!(status.digest, Some((last + 1, host.view().digests().clone())));
    host.shutdown().await;
}

#[tokio::test]
async fn what_the_machine_raises_holds_from_the_next_entry_on_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let supports = |config: &mut Config| config.supports = 1..=3;
    let rules = async |host: &Host| host.submit(command("rules"), soon()).await.unwrap().outcome;
    let (host, held) = start(dir.path(), 1_000, supports).await;
    host.bootstrap(NodeInfo::default()).await.unwrap();
    assert_eq!(rules(&host).await.as_ref(), [0, 0, 0, 1]);
    host.submit(command("raise to 3"), soon()).await.unwrap();
    assert_eq!(rules(&host).await.as_ref(), [0, 0, 0, 3]);
    assert_eq!(raft::active_version(&held.view()).unwrap(), 3);
    host.shutdown().await;
    drop((host, held));

    let (host, _held) = start(dir.path(), 1_000, supports).await;
    assert_eq!(host.status().active_version, 3);
    host.shutdown().await;
}

#[tokio::test]
async fn rules_that_the_machine_does_not_support_stop_it_before_it_computes_by_them() {
    let dir = tempfile::tempdir().unwrap();
    let (host, held) = start(dir.path(), 1_000, |config| config.supports = 1..=2).await;
    host.bootstrap(NodeInfo::default()).await.unwrap();
    let before = host.submit(command("raise to 2"), soon()).await.unwrap().index;
    let failed = host.submit(command("raise to 3"), soon()).await;
    assert!(matches!(failed, Err(SubmitError::OutcomeUnknown { .. })), "{failed:?}");
    let mut faulted = host.faulted();
    let told = tokio::time::timeout_at(soon(), faulted.wait_for(Option::is_some)).await.unwrap();
    assert!(told.unwrap().as_deref().unwrap().starts_with("active_version_unsupported"));
    assert_eq!(*host.applied().borrow(), before);
    host.shutdown().await;
    drop((host, held));

    // Too old for the state, and too new for it.
    for (supports, advice) in [(1..=1, "it is too old"), (3..=4, "it would skip a version")] {
        let (host, held) = try_start(dir.path(), 1_000, |config| config.supports = supports).await;
        let refused = host.err().unwrap();
        assert_eq!(refused.code(), "active_version_unsupported");
        assert!(refused.to_string().contains(advice), "{refused}");
        drop(held);
    }
}

#[tokio::test]
async fn a_machine_that_fails_stops_the_node_and_nothing_else_is_answered() {
    for (command_text, code) in [("panic", "raft_thread_ended"), ("fault", "storage_")] {
        let dir = tempfile::tempdir().unwrap();
        let (host, _held) = start(dir.path(), 1_000, |_| {}).await;
        host.bootstrap(NodeInfo::default()).await.unwrap();
        let before = host.submit(command("fine"), soon()).await.unwrap().index;
        let failed = host.submit(command(command_text), soon()).await;
        assert!(matches!(failed, Err(SubmitError::OutcomeUnknown { .. })), "{failed:?}");
        let mut faulted = host.faulted();
        let told = tokio::time::timeout_at(soon(), faulted.wait_for(Option::is_some)).await.unwrap();
        assert!(told.unwrap().as_deref().unwrap().starts_with(code));
        assert_eq!(host.submit(command("more"), soon()).await, Err(SubmitError::Stopped));
        assert_eq!(*host.applied().borrow(), before);
        host.shutdown().await;
    }
}
