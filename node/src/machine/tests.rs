use std::sync::Arc;

use raft::{Entry, Machine};
use shop::catalog::CreateCategory;
use shop::command::{Dedupe, Envelope, Trace};
use shop::ids::RequestId;
use shop::{Actor, Code, Reply};
use storage::{MemoryEngine, Store};
use tokio::sync::broadcast::error::TryRecvError;

use super::{AppliedHook, Committed, LISTENER_BACKLOG, ShopMachine};
use crate::telemetry::Metrics;

struct Bench {
    store: Store,
    machine: ShopMachine,
    hook: AppliedHook,
    metrics: Metrics,
    index: u64,
}

impl Bench {
    fn new() -> Bench {
        let (hook, metrics) = (AppliedHook::default(), Metrics::new().unwrap());
        let machine = ShopMachine::new(hook.clone(), Arc::default(), metrics.clone());
        let store = Store::open(Arc::new(MemoryEngine::new())).unwrap();
        Bench { store, machine, hook, metrics, index: 0 }
    }

    /// Applies one run with the creation of each of these categories, and commits it.
    fn run(&mut self, slugs: &[&str]) -> Vec<Reply> {
        let mut tx = self.store.begin();
        let mut replies = Vec::new();
        for slug in slugs {
            self.index += 1;
            let payload = create(slug).encode().unwrap();
            let entry = Entry {
                index: self.index,
                term: 1,
                now_ms: 1_800_000_000_000,
                seed: [7; 16],
                active_version: 1,
                payload: &payload,
            };
            let outcome = self.machine.apply(&mut tx, &entry).unwrap();
            replies.push(storage::decode(&outcome).unwrap());
        }
        self.store.commit(tx).unwrap();
        self.machine.committed(self.index);
        replies
    }
}

fn create(slug: &str) -> Envelope {
    Envelope {
        store: 1,
        request: RequestId([1; 16]),
        actor: Actor::System,
        // Sampled: the path with a span.
        trace: Some(Trace { trace_id: [1; 16], span_id: [2; 8], flags: 1 }),
        dedupe: Dedupe::Idempotent,
        command: CreateCategory { slug: slug.parse().unwrap(), title: slug.to_owned() }.into(),
    }
}

#[test]
fn listeners_hear_each_run_with_its_events() {
    let mut bench = Bench::new();
    let mut listener = bench.hook.listen();
    let replies = bench.run(&["tea", "tea", "coffee"]);
    assert!(replies[0].result.is_ok() && replies[2].result.is_ok());
    assert_eq!(replies[1].result.as_ref().unwrap_err().code, Code::AlreadyExists);

    let heard = listener.try_recv().unwrap();
    let Committed::Run { index, batches } = heard.as_ref() else { panic!("{heard:?}") };
    assert_eq!(*index, 3);
    // What was refused emitted nothing.
    assert_eq!(batches.iter().map(|batch| batch.index).collect::<Vec<_>>(), [1, 3]);
    let event = batches[0].events[0].describe();
    assert_eq!((event.kind().as_str(), event.topic()), ("shopnode.category.created.v1", "catalog"));
    assert!(matches!(listener.try_recv(), Err(TryRecvError::Empty)));

    let text = bench.metrics.render().unwrap();
    assert!(text.contains(r#"shopnode_apply_duration_seconds_count{command="catalog.create_category"} 3"#));
}

#[test]
fn a_listener_that_sleeps_delays_nobody_and_is_told() {
    let mut bench = Bench::new();
    let mut listener = bench.hook.listen();
    for number in 0..2 * LISTENER_BACKLOG {
        bench.run(&[&format!("category-{number}")]);
    }
    assert!(matches!(listener.try_recv(), Err(TryRecvError::Lagged(_))));
    // After that it hears the newest ones again.
    assert!(listener.try_recv().is_ok());
}

#[test]
fn a_restored_state_is_told_and_voids_what_was_emitted() {
    let mut bench = Bench::new();
    let mut listener = bench.hook.listen();
    bench.machine.restored(9);
    assert!(matches!(listener.try_recv().unwrap().as_ref(), Committed::Restored { index: 9 }));
}

#[test]
fn what_is_no_command_is_a_fault() {
    let mut bench = Bench::new();
    let mut tx = bench.store.begin();
    for payload in [&b""[..], b"\xff", b"\x01", b"\x01\xff\xff\xff\xff"] {
        let entry = Entry { index: 1, term: 1, now_ms: 0, seed: [0; 16], active_version: 1, payload };
        assert!(bench.machine.apply(&mut tx, &entry).is_err(), "{payload:?}");
    }
}
