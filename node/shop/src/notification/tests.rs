use storage::Read;

use crate::Code;
use crate::broker::Fence;
use crate::ids::OrderId;
use crate::notification::{
    Command, Delivery, Enqueue, Item, Kind, Notifications, QUEUE, Report, State, Status, TrimNotifications,
    queries,
};
use crate::testing::{BEGIN_MILLIS, Bench};
use crate::time::Timestamp;

/// A shop in which somebody holds the queue's lease: epoch 1.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.lease(QUEUE);
    bench
}

fn fence(epoch: u64) -> Fence {
    Fence { queue: QUEUE.to_owned(), epoch }
}

fn enqueue(up_to: u64, seqs: &[u64]) -> Command {
    let order = OrderId([1; 16]);
    let items = seqs.iter().map(|seq| Item { seq: *seq, kind: Kind::Confirmed, order }).collect();
    Command::Enqueue(Enqueue { fence: fence(1), up_to, items })
}

fn report(seq: u64, delivery: Delivery) -> Command {
    Command::Report(Report { fence: fence(1), results: vec![(seq, delivery)] })
}

fn later(millis: u64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MILLIS + millis)
}

fn due(bench: &Bench, millis: u64) -> Vec<u64> {
    let due = queries::due(&bench.view(), later(millis), 10).unwrap();
    due.into_iter().map(|(seq, _)| seq).collect()
}

fn state(bench: &Bench, seq: u64) -> Option<State> {
    bench.view().get::<Notifications>(&seq).unwrap().map(|notification| notification.state)
}

#[test]
fn an_event_is_looked_at_once() {
    let mut bench = bench();
    bench.ok(enqueue(5, &[3, 5]));
    bench.ok(report(3, Delivery::Sent));
    // The worker crashed before it learned of its own command, and derives the same again.
    bench.ok(enqueue(5, &[3, 5]));
    assert_eq!(due(&bench, 1_000), [5]);
    assert!(matches!(state(&bench, 3), Some(State::Sent { .. })));
}

#[test]
fn a_retry_waits_for_its_time_and_a_second_report_says_nothing() {
    let mut bench = bench();
    bench.ok(enqueue(1, &[1]));
    bench.ok(report(1, Delivery::Retry { at: later(9_000) }));
    assert_eq!((due(&bench, 8_999), due(&bench, 9_000)), (vec![], vec![1]));
    bench.ok(report(1, Delivery::Failed { reason: "550".repeat(500) }));
    bench.ok(report(1, Delivery::Sent));
    let Some(State::Failed { reason, .. }) = state(&bench, 1) else { panic!("{:?}", state(&bench, 1)) };
    assert_eq!(reason.len(), 200);
    assert!(due(&bench, 99_999).is_empty());
}

#[test]
fn a_worker_whose_lease_is_over_changes_nothing() {
    let rejection = bench().refused(Command::Enqueue(Enqueue { fence: fence(0), up_to: 5, items: vec![] }));
    assert_eq!(rejection.code, Code::StaleEpoch);
}

#[test]
fn only_what_ended_long_ago_is_trimmed() {
    let mut bench = bench();
    bench.ok(enqueue(3, &[1, 2, 3]));
    bench.ok(report(1, Delivery::Sent));
    bench.lease("retention");
    bench.pass_millis(5_000);
    bench.ok(report(2, Delivery::Sent));
    bench.ok(TrimNotifications {
        fence: Fence { queue: "retention".into(), epoch: 1 },
        seqs: vec![1, 2, 3],
        ended_before: later(5_000),
    });
    assert_eq!(
        (state(&bench, 1), state(&bench, 2).is_some(), state(&bench, 3).is_some()),
        (None, true, true)
    );
}

#[test]
fn a_list_is_newest_first_and_by_status() {
    let mut bench = bench();
    bench.ok(enqueue(5, &[1, 2, 3, 4, 5]));
    bench.ok(report(2, Delivery::Sent));
    bench.ok(report(4, Delivery::Failed { reason: "550".into() }));
    let list = |status, limit| {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let found = queries::list(&bench.view(), status, before, limit).unwrap();
            all.extend(found.items.iter().map(|(seq, _)| *seq));
            before = found.next;
            if before.is_none() {
                return all;
            }
        }
    };
    for limit in [1, 2, 100] {
        assert_eq!(list(None, limit), [5, 4, 3, 2, 1]);
        assert_eq!(list(Some(Status::Pending), limit), [5, 3, 1]);
        assert_eq!(list(Some(Status::Sent), limit), [2]);
        assert_eq!(list(Some(Status::Failed), limit), [4]);
    }
}

#[test]
fn a_piece_of_a_list_looks_at_so_many_and_no_more() {
    let mut bench = bench();
    let seqs: Vec<u64> = (1..=1_100).collect();
    for some in seqs.chunks(100) {
        bench.ok(enqueue(some[some.len() - 1], some));
    }
    bench.ok(report(1, Delivery::Sent));
    let sent = |before| queries::list(&bench.view(), Some(Status::Sent), before, 9).unwrap();
    let first = sent(None);
    assert_eq!((first.items.len(), first.next), (0, Some(101)));
    let second = sent(first.next);
    assert_eq!((second.items[0].0, second.next), (1, None));
}
