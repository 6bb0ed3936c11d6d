use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use storage::Read;

use crate::Code;
use crate::broker::Fence;
use crate::ids::OrderId;
use crate::level::FIRST_LEVEL;
use crate::sms::{
    BeginMessages, Ended, EnqueueMessages, Finding, Item, Kind, MAX_BEGUN, Messages, MessagesByStatus,
    MessagesDue, Outcome, QUEUE, ReportMessages, RetryMessage, State, Status, TrimMessages, queries,
};
use crate::testing::{BEGIN_MILLIS, Bench};
use crate::time::Timestamp;

const MINUTE: u64 = 60_000;

/// A shop at the level that knows text messages, in which somebody holds the queue's lease: epoch 1.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.active_version = 4;
    bench.lease(QUEUE);
    bench
}

fn fence(epoch: u64) -> Fence {
    Fence { queue: QUEUE.to_owned(), epoch }
}

fn enqueue(up_to: u64, seqs: &[u64]) -> EnqueueMessages {
    let order = OrderId([1; 16]);
    let items = seqs.iter().map(|seq| Item { seq: *seq, kind: Kind::Shipped(1), order }).collect();
    EnqueueMessages { fence: fence(1), up_to, items }
}

/// The attempt, and those that may be sent.
fn begin(bench: &mut Bench, seqs: &[u64]) -> (u64, Vec<u64>) {
    match bench.ok(BeginMessages { fence: fence(1), seqs: seqs.to_vec() }) {
        crate::Outcome::Sms(Outcome::Begun { attempt, seqs }) => (attempt, seqs),
        other => panic!("{other:?}"),
    }
}

fn report(seq: u64, attempt: u64, finding: Finding) -> ReportMessages {
    ReportMessages { fence: fence(1), results: vec![Ended { seq, attempt, finding }] }
}

fn later(millis: u64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MILLIS + millis)
}

fn due(bench: &Bench, at: Timestamp) -> Vec<u64> {
    queries::due(&bench.view(), at, 10).unwrap().into_iter().map(|(seq, _)| seq).collect()
}

fn state(bench: &Bench, seq: u64) -> Option<State> {
    bench.view().get::<Messages>(&seq).unwrap().map(|message| message.state)
}

fn status(bench: &Bench, seq: u64) -> Option<Status> {
    state(bench, seq).map(|state| state.status())
}

#[test]
fn an_event_is_looked_at_once() {
    let mut bench = bench();
    bench.ok(enqueue(5, &[3, 5]));
    let (attempt, _) = begin(&mut bench, &[3]);
    bench.ok(report(3, attempt, Finding::Sent));
    bench.ok(enqueue(5, &[3, 5]));
    assert_eq!((due(&bench, later(MINUTE)), status(&bench, 3)), (vec![5], Some(Status::Sent)));
    assert_eq!(bench.event_kinds(), ["shopnode.sms.sent.v1"]);
}

#[test]
fn what_is_begun_may_be_sent_once() {
    let mut bench = bench();
    bench.ok(enqueue(2, &[1, 2]));
    assert_eq!(begin(&mut bench, &[1, 7]).1, [1]);
    assert_eq!(begin(&mut bench, &[1, 2]).1, [2]);
    assert_eq!(begin(&mut bench, &[1, 2]).1, [0; 0]);
    let many: Vec<u64> = (3..=2 + MAX_BEGUN as u64 + 1).collect();
    bench.ok(enqueue(*many.last().unwrap(), &many));
    assert_eq!(begin(&mut bench, &many).1, many[..MAX_BEGUN]);
}

#[test]
fn a_proof_makes_it_due_again_and_only_of_its_own_attempt() {
    let mut bench = bench();
    bench.ok(enqueue(1, &[1]));
    let (first, _) = begin(&mut bench, &[1]);
    let at = later(9_000);
    bench.ok(report(1, first, Finding::NotAccepted { at }));
    assert_eq!((due(&bench, later(8_999)), due(&bench, at)), (vec![], vec![1]));
    let (second, begun) = begin(&mut bench, &[1]);
    assert_eq!(begun, [1]);
    // The first report once more, from somewhere on its way.
    bench.ok(report(1, first, Finding::NotAccepted { at }));
    assert_eq!(status(&bench, 1), Some(Status::Sending));
    bench.ok(report(1, second, Finding::Refused { reason: "21211".repeat(500) }));
    bench.ok(report(1, second, Finding::Sent));
    let Some(State::Failed { reason, .. }) = state(&bench, 1) else { panic!("{:?}", state(&bench, 1)) };
    assert_eq!((reason.len(), bench.view().get::<Messages>(&1).unwrap().unwrap().tries), (200, 2));
    assert!(due(&bench, later(100 * MINUTE)).is_empty());
}

#[test]
fn what_the_provider_does_not_know_is_looked_up_for_a_while_and_then_given_up() {
    let mut bench = bench();
    bench.ok(enqueue(1, &[1]));
    let (attempt, _) = begin(&mut bench, &[1]);
    let began = bench.now();
    let mut look_ups = 0;
    while let Some(State::Sending { look_up_at, .. }) = state(&bench, 1) {
        assert_eq!((due(&bench, look_up_at.minus_millis(1)), due(&bench, look_up_at)), (vec![], vec![1]));
        bench.pass_millis(look_up_at.since(bench.now()));
        bench.ok(report(1, attempt, Finding::NotFound));
        look_ups += 1;
    }
    let minutes = bench.now().since(began) / MINUTE;
    assert!((5..=9).contains(&look_ups) && (10..=15).contains(&minutes), "{look_ups} in {minutes} min");
    assert_eq!(status(&bench, 1), Some(Status::Failed));
    assert_eq!(bench.event_kinds(), ["shopnode.sms.failed.v1"]);
    assert_eq!(begin(&mut bench, &[1]).1, [0; 0]);
}

#[test]
fn a_provider_that_does_not_say_proves_nothing_for_a_day() {
    let mut bench = bench();
    bench.ok(enqueue(1, &[1]));
    let (attempt, _) = begin(&mut bench, &[1]);
    bench.pass_millis(23 * 60 * MINUTE);
    bench.ok(report(1, attempt, Finding::NoAnswer));
    assert_eq!(status(&bench, 1), Some(Status::Sending));
    bench.pass_millis(2 * 60 * MINUTE);
    bench.ok(report(1, attempt, Finding::NoAnswer));
    assert_eq!(status(&bench, 1), Some(Status::Failed));
}

#[test]
fn staff_send_again_what_has_failed_and_nothing_else() {
    let mut bench = bench();
    bench.ok(enqueue(3, &[1, 2, 3]));
    let (attempt, _) = begin(&mut bench, &[1, 2]);
    bench.ok(report(1, attempt, Finding::Refused { reason: "21610".into() }));
    let check = |bench: &mut Bench, seq, code: Code| {
        assert_eq!(bench.refused(RetryMessage { seq }).code, code, "{seq}");
    };
    check(&mut bench, 2, Code::Conflict);
    check(&mut bench, 3, Code::Conflict);
    check(&mut bench, 4, Code::NotFound);
    bench.ok(RetryMessage { seq: 1 });
    check(&mut bench, 1, Code::Conflict);
    assert_eq!(bench.event_kinds(), ["shopnode.sms.failed.v1", "shopnode.sms.retried.v1"]);
    let (attempt, begun) = begin(&mut bench, &[1]);
    assert_eq!(begun, [1]);
    bench.ok(report(1, attempt, Finding::Sent));
    check(&mut bench, 1, Code::Conflict);
}

#[test]
fn a_worker_whose_lease_is_over_changes_nothing() {
    let mut bench = bench();
    bench.ok(enqueue(1, &[1]));
    let (attempt, _) = begin(&mut bench, &[1]);
    let ended = Ended { seq: 1, attempt, finding: Finding::Sent };
    let late: [crate::Command; 3] = [
        EnqueueMessages { fence: fence(0), up_to: 5, items: vec![] }.into(),
        BeginMessages { fence: fence(0), seqs: vec![1] }.into(),
        ReportMessages { fence: fence(0), results: vec![ended] }.into(),
    ];
    for command in late {
        assert_eq!(bench.refused(command).code, Code::StaleEpoch);
    }
}

#[test]
fn no_cluster_below_its_level_carries_it_out() {
    let mut bench = bench();
    for level in FIRST_LEVEL..4 {
        bench.active_version = level;
        assert_eq!(bench.refused(enqueue(1, &[1])).code, Code::LevelTooLow, "{level}");
        assert_eq!(bench.refused(RetryMessage { seq: 1 }).code, Code::LevelTooLow, "{level}");
    }
}

#[test]
fn only_what_ended_long_ago_is_trimmed() {
    let mut bench = bench();
    bench.ok(enqueue(4, &[1, 2, 3, 4]));
    let (attempt, _) = begin(&mut bench, &[1, 2, 3]);
    bench.ok(report(1, attempt, Finding::Sent));
    bench.lease("retention");
    bench.pass_millis(5_000);
    bench.ok(report(2, attempt, Finding::Sent));
    bench.ok(TrimMessages {
        fence: Fence { queue: "retention".into(), epoch: 1 },
        seqs: vec![1, 2, 3, 4],
        ended_before: later(5_000),
    });
    let is_kept = [1, 2, 3, 4].map(|seq| status(&bench, seq).is_some());
    assert_eq!(is_kept, [false, true, true, true]);
    let (found, next) = queries::ended_before(&bench.view(), later(MINUTE), 0, 2).unwrap();
    assert_eq!((found, next), (vec![2], Some(3)));
}

#[test]
fn a_list_is_newest_first_and_by_status() {
    let mut bench = bench();
    bench.ok(enqueue(5, &[1, 2, 3, 4, 5]));
    let (attempt, _) = begin(&mut bench, &[2, 3, 4]);
    bench.ok(report(2, attempt, Finding::Sent));
    bench.ok(report(4, attempt, Finding::Refused { reason: "21211".into() }));
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
        assert_eq!(list(Some(Status::Pending), limit), [5, 1]);
        assert_eq!(list(Some(Status::Sending), limit), [3]);
        assert_eq!(list(Some(Status::Sent), limit), [2]);
        assert_eq!(list(Some(Status::Failed), limit), [4]);
    }
}

/// What workers and staff can do, in any order, late and repeated.
#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        up_to: u64,
    },
    Begin {
        seqs: Vec<u64>,
    },
    /// `back`: of so many attempts ago.
    Report {
        seq: u64,
        back: usize,
        finding: Finding,
    },
    Retry {
        seq: u64,
    },
    Pass {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let seq = || 1..4u64;
    let finding = prop_oneof![
        proptest::strategy::Just(Finding::Sent),
        proptest::strategy::Just(Finding::Refused { reason: "21211".into() }),
        (0..50_000u64).prop_map(|millis| Finding::NotAccepted { at: later(millis) }),
        proptest::strategy::Just(Finding::NotFound),
        proptest::strategy::Just(Finding::NoAnswer),
    ];
    prop_oneof![
        1 => (1..5u64).prop_map(|up_to| Step::Enqueue { up_to }),
        4 => proptest::collection::vec(seq(), 1..4).prop_map(|seqs| Step::Begin { seqs }),
        6 => (seq(), 0..3usize, finding).prop_map(|(seq, back, finding)| Step::Report { seq, back, finding }),
        1 => seq().prop_map(|seq| Step::Retry { seq }),
        2 => any::<u16>().prop_map(|seconds| Step::Pass { millis: u64::from(seconds) * 1_000 }),
    ]
}

proptest! {
    /// The guarantee: between two times that a message may be sent there is a proof that the provider did not take it
    /// the first time, or somebody's decision. And whatever is to be done is in the queue, once.
    #[test]
    fn nothing_is_sent_twice_without_a_proof_or_a_decision(steps in proptest::collection::vec(step(), 1..60)) {
        let mut bench = bench();
        // By message: its attempts, and whether the last of them is known not to have been sent.
        let mut attempts: BTreeMap<u64, (Vec<u64>, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Enqueue { up_to } => {
                    bench.ok(enqueue(up_to, &(1..=up_to).collect::<Vec<_>>()));
                }
                Step::Begin { seqs } => {
                    let (attempt, begun) = begin(&mut bench, &seqs);
                    for seq in begun {
                        let (made, is_free) = attempts.entry(seq).or_insert_with(|| (Vec::new(), true));
                        assert!(*is_free, "{seq} is sent again after {made:?}");
                        made.push(attempt);
                        *is_free = false;
                    }
                }
                Step::Report { seq, back, finding } => {
                    let Some((made, is_free)) = attempts.get_mut(&seq) else { continue };
                    let Some(place) = made.len().checked_sub(back + 1) else { continue };
                    let is_proof = matches!(finding, Finding::NotAccepted { .. });
                    bench.ok(report(seq, made[place], finding));
                    *is_free |= is_proof && back == 0;
                }
                Step::Retry { seq } => {
                    if bench.run(RetryMessage { seq }).is_ok()
                        && let Some((_, is_free)) = attempts.get_mut(&seq)
                    {
                        *is_free = true;
                    }
                }
                Step::Pass { millis } => bench.pass_millis(millis),
            }
            let view = bench.view();
            let entries = view.scan::<Messages>(storage::Span::all()).map(Result::unwrap);
            let mut wanted: Vec<_> =
                entries.filter_map(|(seq, message)| Some((message.state.due_at()?, seq))).collect();
            wanted.sort_unstable();
            let queued: Vec<_> =
                view.scan::<MessagesDue>(storage::Span::all()).map(|entry| entry.unwrap().0).collect();
            assert_eq!(queued, wanted);
            let entries = view.scan::<Messages>(storage::Span::all()).map(Result::unwrap);
            let mut wanted: Vec<_> =
                entries.map(|(seq, message)| (message.state.status().key(), seq)).collect();
            wanted.sort_unstable();
            let listed: Vec<_> =
                view.scan::<MessagesByStatus>(storage::Span::all()).map(|entry| entry.unwrap().0).collect();
            assert_eq!(listed, wanted);
        }
    }
}
