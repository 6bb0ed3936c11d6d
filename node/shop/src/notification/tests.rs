use std::collections::BTreeSet;

use storage::{Read, Span};

use crate::Code;
use crate::broker::Fence;
use crate::ids::OrderId;
use crate::notification::{
    Command, Delivery, Enqueue, IndexStatuses, Item, Kind, Notifications, NotificationsByStatus, QUEUE,
    Report, RetryNotification, State, Status, TrimNotifications, queries,
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

fn retention() -> Fence {
    Fence { queue: "retention".into(), epoch: 1 }
}

fn index(notifications: u32) -> IndexStatuses {
    IndexStatuses { fence: retention(), notifications }
}

type Entries = BTreeSet<(u8, u64)>;

/// What the index has, and what it would have to have.
fn listed(bench: &Bench) -> (Entries, Entries) {
    let view = bench.view();
    let entries = view.scan(Span::<NotificationsByStatus>::all()).map(|entry| entry.unwrap().0);
    let mails = view.scan(Span::<Notifications>::all()).map(|mail| mail.unwrap());
    (entries.collect(), mails.map(|(seq, mail)| (mail.state.status().key(), seq)).collect())
}

/// Mails that are made, sent, given up, tried again and forgotten, each step for some of them.
fn some_traffic(bench: &mut Bench, from: u64) {
    let seqs: Vec<u64> = (from..from + 10).collect();
    bench.ok(enqueue(from + 9, &seqs));
    let old = |back: u64| from.saturating_sub(back).max(1);
    bench.ok(report(from, Delivery::Sent));
    bench.ok(report(from + 1, Delivery::Failed { reason: "550".into() }));
    bench.ok(report(from + 2, Delivery::Retry { at: later(9_000) }));
    bench.ok(report(old(7), Delivery::Sent));
    bench.ok(report(old(6), Delivery::Failed { reason: "550".into() }));
    if from > 10 && bench.active_version >= 3 {
        bench.ok(RetryNotification { seq: from - 9 });
    }
    let ended_before = bench.now();
    bench.ok(TrimNotifications { fence: retention(), seqs: vec![old(10), old(16)], ended_before });
}

#[test]
fn the_index_of_statuses_is_filled_while_mails_are_sent() {
    let mut bench = bench();
    bench.lease("retention");
    for level in 1..4 {
        bench.active_version = level;
        some_traffic(&mut bench, 1 + 10 * u64::from(level));
        assert_eq!(bench.refused(index(9)).code, Code::LevelTooLow, "{level}");
        assert!(listed(&bench).0.is_empty(), "indexed below its level");
    }
    bench.active_version = 4;
    let stale = IndexStatuses { fence: Fence { epoch: 0, ..retention() }, notifications: 9 };
    assert_eq!(bench.refused(stale).code, Code::StaleEpoch);
    for round in 4..20 {
        some_traffic(&mut bench, 1 + 10 * round);
        bench.ok(index(2));
        let (entries, expected) = listed(&bench);
        assert!(entries.is_subset(&expected), "stale: {entries:?}, not {expected:?}");
        for status in [Status::Pending, Status::Sent, Status::Failed] {
            let newest: Vec<u64> =
                expected.iter().rev().filter(|(key, _)| *key == status.key()).map(|(_, seq)| *seq).collect();
            let found = queries::list(&bench.view(), Some(status), None, 100).unwrap();
            let found: Vec<u64> = found.items.into_iter().map(|(seq, _)| seq).collect();
            assert_eq!(found, newest[..newest.len().min(100)], "{status:?} in round {round}");
        }
    }
    while !queries::statuses_are_indexed(&bench.view()).unwrap() {
        bench.ok(index(9));
    }
    let (entries, expected) = listed(&bench);
    assert_eq!(entries, expected);
    some_traffic(&mut bench, 201);
    let (entries, expected) = listed(&bench);
    assert_eq!(entries, expected);
    let before = bench.store.digest();
    bench.ok(index(9));
    assert_eq!(bench.store.digest(), before);
}

#[test]
fn a_rare_status_is_found_among_many_mails_at_once() {
    let mut bench = bench();
    bench.active_version = 4;
    bench.lease("retention");
    let seqs: Vec<u64> = (1..=1_100).collect();
    for some in seqs.chunks(100) {
        bench.ok(enqueue(some[some.len() - 1], some));
    }
    for seq in [1, 2] {
        bench.ok(report(seq, Delivery::Sent));
    }
    let sent = |bench: &Bench, before, limit| {
        let found = queries::list(&bench.view(), Some(Status::Sent), before, limit).unwrap();
        (found.items.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>(), found.next)
    };
    assert_eq!(sent(&bench, None, 9), (vec![], Some(101)));
    for _ in 0..3 {
        bench.ok(index(u32::MAX));
    }
    assert_eq!(sent(&bench, None, 9), (vec![2, 1], None));
    assert_eq!(sent(&bench, None, 1), (vec![2], Some(2)));
    assert_eq!(sent(&bench, Some(2), 1), (vec![1], None));
}

/// As many as one command may name, with their entries: as many keys as it may change.
#[test]
fn the_largest_trim_is_not_too_large() {
    let mut bench = bench();
    bench.active_version = 4;
    bench.lease("retention");
    let seqs: Vec<u64> = (1..=500).collect();
    for some in seqs.chunks(100) {
        bench.ok(enqueue(some[some.len() - 1], some));
        let results = some.iter().map(|seq| (*seq, Delivery::Sent)).collect();
        bench.ok(Report { fence: fence(1), results });
    }
    bench.pass_millis(5_000);
    let ended_before = bench.now();
    bench.ok(TrimNotifications { fence: retention(), seqs, ended_before });
    assert_eq!(listed(&bench), (BTreeSet::new(), BTreeSet::new()));
}
