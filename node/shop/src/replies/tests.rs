use std::sync::Arc;

use storage::{MemoryEngine, Read, SledEngine, Span};

use crate::apply::{KEY_KEPT_MILLIS, REPLIES_BY_EPOCH_SINCE, Reply};
use crate::broker::{
    self, AcquireLease, CreateTopic, Events, Fence, Kept, MAX_TRIMMED_REPLIES, PublishEvent, Replies,
    RepliesByEpoch, TrimReplies, TrimRepliesByEpoch, queries,
};
use crate::codes::Code;
use crate::command::Dedupe;
use crate::outcome::Outcome;
use crate::testing::Bench;

/// Not from the constant: it is a format.
const EPOCH: u64 = 262_144;
const HASH: [u8; 32] = [1; 32];

fn bench(level: u32) -> Bench {
    let mut bench = Bench::new();
    bench.active_version = level;
    bench.ok(AcquireLease { queue: "retention".into(), holder: 1 });
    bench.ok(CreateTopic { name: "t".into(), partitions: 1, retention_days: None });
    bench
}

fn fence() -> Fence {
    Fence { queue: "retention".into(), epoch: 1 }
}

/// Each has another outcome: the number of its event.
fn seen() -> PublishEvent {
    PublishEvent { topic: "t".into(), kind: "t.seen.v1".into(), key: "k".into(), data: "1".into() }
}

fn key(hash: [u8; 32]) -> Dedupe {
    Dedupe::Key { scope: hash, fingerprint: [7; 32] }
}

fn ask(bench: &mut Bench, hash: [u8; 32]) -> Reply {
    let reply = bench.reply(seen(), key(hash));
    assert!(!reply.replayed && reply.result.is_ok(), "{reply:?}");
    reply
}

/// It is answered as it was, and another body is refused.
fn check_honoured(bench: &mut Bench, hash: [u8; 32], first: &Reply) {
    assert_eq!(bench.reply(seen(), key(hash)), Reply { replayed: true, ..first.clone() });
    let other = bench.reply(seen(), Dedupe::Key { scope: hash, fingerprint: [8; 32] });
    assert_eq!(other.result.unwrap_err().code, Code::IdempotencyKeyReused);
}

fn by_hash(bench: &Bench) -> Vec<[u8; 32]> {
    bench.view().scan::<Replies>(Span::all()).map(|row| row.unwrap().0).collect()
}

fn by_epoch(bench: &Bench) -> Vec<(u64, [u8; 32])> {
    bench.view().scan::<RepliesByEpoch>(Span::all()).map(|row| row.unwrap().0).collect()
}

/// The numbers of the batches with answers.
fn answers(bench: &Bench) -> Vec<u64> {
    let view = bench.view();
    let batches = view.scan::<Events>(Span::all()).map(|row| row.unwrap());
    batches.filter(|(_, batch)| batch.answer.is_some()).map(|(seq, _)| seq).collect()
}

fn seq(reply: &Reply) -> u64 {
    match reply.result {
        Ok(Outcome::Broker(broker::Outcome::Published { seq })) => seq,
        ref other => panic!("{other:?}"),
    }
}

fn trimmed(removed: u32) -> Outcome {
    broker::Outcome::Trimmed { removed, more: false }.into()
}

#[test]
fn a_reply_is_stored_by_its_epoch_from_the_level_on() {
    for level in [5, 6, 7] {
        let mut bench = bench(level);
        let first = ask(&mut bench, HASH);
        check_honoured(&mut bench, HASH, &first);
        let (old, new) = (by_hash(&bench), by_epoch(&bench));
        if level < REPLIES_BY_EPOCH_SINCE {
            assert_eq!((old, new), (vec![HASH], vec![]), "level {level}");
        } else {
            assert_eq!((old, new), (vec![], vec![(0, HASH)]));
            assert_eq!(answers(&bench), [seq(&first)]);
        }
    }
}

#[test]
fn a_reply_without_events_is_stored_by_its_epoch_too() {
    let mut bench = bench(7);
    let lease = || AcquireLease { queue: "payments".into(), holder: 1 };
    let first = bench.reply(lease(), key(HASH));
    assert_eq!(bench.reply(lease(), key(HASH)), Reply { replayed: true, ..first.clone() });
    let stored = bench.view().get::<RepliesByEpoch>(&(0, HASH)).unwrap().unwrap();
    assert_eq!(stored.answer, Kept::Here(first.result.unwrap()));
}

#[test]
fn a_request_id_stays_where_it_was() {
    let mut bench = bench(7);
    bench.reply(seen(), Dedupe::Request).result.unwrap();
    assert_eq!((by_hash(&bench).len(), by_epoch(&bench)), (1, vec![]));
}

#[test]
fn a_refusal_stores_no_reply() {
    let mut bench = bench(7);
    let again = CreateTopic { name: "t".into(), partitions: 1, retention_days: None };
    bench.reply(again, key(HASH)).result.unwrap_err();
    assert_eq!((by_hash(&bench), by_epoch(&bench)), (vec![], vec![]));
    ask(&mut bench, HASH);
}

#[test]
fn a_reply_is_found_across_epochs() {
    let mut bench = bench(7);
    let hashes = [[9; 32], [4; 32], [6; 32]];
    let mut given = Vec::new();
    for hash in hashes {
        given.push((hash, ask(&mut bench, hash)));
        bench.skip_events(2 * EPOCH);
    }
    assert_eq!(by_epoch(&bench), [(0, [9; 32]), (2, [4; 32]), (4, [6; 32])]);
    for (hash, first) in &given {
        check_honoured(&mut bench, *hash, first);
    }
    assert_eq!(by_epoch(&bench).len(), 3, "a repetition stores nothing");
    // A restarted node remembers nothing.
    bench.shop.forget();
    for (hash, first) in &given {
        check_honoured(&mut bench, *hash, first);
    }
    ask(&mut bench, [5; 32]);
    assert_eq!(by_epoch(&bench).last(), Some(&(6, [5; 32])));
}

/// The epoch is that of the counters before the command.
#[test]
fn the_last_number_of_an_epoch_is_in_it() {
    let mut bench = bench(7);
    let next = queries::last_seq(&bench.view()).unwrap() + 1;
    bench.skip_events(EPOCH - 1 - next);
    let last = ask(&mut bench, [9; 32]);
    let first = ask(&mut bench, [4; 32]);
    assert_eq!((seq(&last), seq(&first)), (EPOCH - 1, EPOCH));
    assert_eq!(by_epoch(&bench), [(0, [9; 32]), (1, [4; 32])]);
}

#[test]
fn a_key_is_used_anew_in_the_same_epoch() {
    let mut bench = bench(7);
    let first = ask(&mut bench, HASH);
    bench.pass_millis(KEY_KEPT_MILLIS - 3);
    check_honoured(&mut bench, HASH, &first);
    let second = ask(&mut bench, HASH);
    assert_ne!(seq(&first), seq(&second));
    check_honoured(&mut bench, HASH, &second);
    assert_eq!(by_epoch(&bench), [(0, HASH)]);
}

#[test]
fn a_key_is_used_anew_in_another_epoch() {
    let mut bench = bench(7);
    let first = ask(&mut bench, HASH);
    bench.skip_events(EPOCH);
    bench.pass_millis(KEY_KEPT_MILLIS);
    let second = ask(&mut bench, HASH);
    assert_eq!(by_epoch(&bench), [(0, HASH), (1, HASH)]);
    assert_eq!(answers(&bench), [seq(&first), seq(&second)]);
    check_honoured(&mut bench, HASH, &second);

    // The older one goes with its own answer, and no other.
    let trim = TrimRepliesByEpoch { fence: fence(), keys: vec![(0, HASH), (1, HASH)] };
    assert_eq!(bench.ok(trim.clone()), trimmed(1));
    assert_eq!((by_epoch(&bench), answers(&bench)), (vec![(1, HASH)], vec![seq(&second)]));
    check_honoured(&mut bench, HASH, &second);
    bench.pass_millis(KEY_KEPT_MILLIS);
    assert_eq!(bench.ok(trim), trimmed(1));
    assert_eq!((by_epoch(&bench), answers(&bench)), (vec![], vec![]));
}

#[test]
fn replies_from_below_the_level_are_honoured_above_it() {
    for level in [5, 6] {
        let mut bench = bench(level);
        let first = ask(&mut bench, HASH);
        bench.active_version = 7;
        check_honoured(&mut bench, HASH, &first);
        // Beside others that are by epoch.
        ask(&mut bench, [2; 32]);
        bench.skip_events(EPOCH);
        check_honoured(&mut bench, HASH, &first);
        assert_eq!((by_hash(&bench), by_epoch(&bench)), (vec![HASH], vec![(0, [2; 32])]));

        // Used anew, it is by epoch; what is left is not found, and goes with its own answer.
        bench.pass_millis(KEY_KEPT_MILLIS);
        let second = ask(&mut bench, HASH);
        assert_eq!((by_hash(&bench), by_epoch(&bench).len()), (vec![HASH], 2));
        check_honoured(&mut bench, HASH, &second);
        let fence = fence();
        assert_eq!(bench.ok(TrimReplies { fence, keys: vec![HASH] }), trimmed(1));
        assert!(by_hash(&bench).is_empty());
        assert!(answers(&bench).contains(&seq(&second)) && !answers(&bench).contains(&seq(&first)));
        check_honoured(&mut bench, HASH, &second);
    }
}

/// A repetition may be in one run with what it repeats, or find it in the engine.
#[test]
fn a_log_with_keys_gives_the_same_state_on_both_engines_in_any_runs() {
    let mut bench = bench(6);
    let old = ask(&mut bench, numbered(0));
    bench.active_version = 7;
    check_honoured(&mut bench, numbered(0), &old);
    for number in 1..20 {
        let first = ask(&mut bench, numbered(number));
        check_honoured(&mut bench, numbered(number), &first);
    }
    bench.pass_millis(KEY_KEPT_MILLIS);
    // Anew over what is there, and anew after it has gone.
    for number in 0..5 {
        ask(&mut bench, numbered(number));
    }
    let keys = (0..20).map(|number| (0, numbered(number))).collect();
    assert_eq!(bench.ok(TrimRepliesByEpoch { fence: fence(), keys }), trimmed(15));
    for number in 5..10 {
        let first = ask(&mut bench, numbered(number));
        check_honoured(&mut bench, numbered(number), &first);
    }
    for run in [1, 7, bench.log.len()] {
        let memory = Bench::replay(&bench.log, Arc::new(MemoryEngine::new()), run);
        assert_eq!(memory.digest(), bench.store.digest(), "in runs of {run}");
        let directory = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(directory.path(), 8 << 20).unwrap();
        let sled = Bench::replay(&bench.log, Arc::new(engine), run);
        assert_eq!(sled.digest(), bench.store.digest(), "on disk, in runs of {run}");
    }
}

fn numbered(number: u16) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    hash
}

#[test]
fn a_trim_changes_no_more_keys_than_it_may() {
    let mut bench = bench(7);
    let keys: Vec<_> = (0..600).map(|number| (0, numbered(number))).collect();
    // One without events first, so that 999 keys are changed when the next does not fit.
    let lease = AcquireLease { queue: "payments".into(), holder: 1 };
    bench.reply(lease, key(numbered(0))).result.unwrap();
    for (_, hash) in &keys[1..] {
        ask(&mut bench, *hash);
    }
    let trim = TrimRepliesByEpoch { fence: fence(), keys };
    assert_eq!(bench.ok(trim.clone()), trimmed(0));
    bench.pass_millis(KEY_KEPT_MILLIS);
    assert_eq!(bench.ok(trim.clone()), trimmed(500));
    assert_eq!((by_epoch(&bench).len(), answers(&bench).len()), (100, 100));
    assert_eq!(bench.ok(trim), trimmed(100));
    assert_eq!((by_epoch(&bench), answers(&bench)), (vec![], vec![]));
}

#[test]
fn a_trim_is_refused_as_that_of_the_other_table_is() {
    let keys = |count| TrimRepliesByEpoch { fence: fence(), keys: vec![(0, HASH); count] };
    assert_eq!(bench(6).refused(keys(1)).code, Code::LevelTooLow);
    let mut bench = bench(7);
    assert_eq!(bench.ok(keys(MAX_TRIMMED_REPLIES)), trimmed(0));
    assert_eq!(bench.refused(keys(MAX_TRIMMED_REPLIES + 1)).code, Code::CommandTooLarge);
    bench.ok(AcquireLease { queue: "retention".into(), holder: 2 });
    assert_eq!(bench.refused(keys(1)).code.as_str(), "stale_epoch");
}

#[test]
fn what_is_over_is_found_piece_by_piece_up_to_the_first_epoch_that_is_not() {
    let mut bench = bench(7);
    for number in 0..1_000 {
        ask(&mut bench, numbered(number));
    }
    bench.pass_millis(KEY_KEPT_MILLIS);
    // A young one in the midst of old ones.
    let mut amid = numbered(5);
    amid[31] = 1;
    ask(&mut bench, amid);
    bench.skip_events(EPOCH);
    ask(&mut bench, numbered(0));
    bench.skip_events(EPOCH);
    for number in 1..=450 {
        ask(&mut bench, numbered(number));
    }

    let pieces = |bench: &Bench, after: u64| {
        let now = bench.now().plus_millis(after);
        let (mut next, mut pieces) = (None, Vec::new());
        loop {
            let (keys, last) = queries::expired_replies_by_epoch(&bench.view(), now, next).unwrap();
            pieces.push(keys);
            next = last;
            if next.is_none() {
                return pieces;
            }
        }
    };
    let found = pieces(&bench, 0);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [449, 450, 101]);
    assert_eq!(found.concat(), (0..1_000).map(|number| (0, numbered(number))).collect::<Vec<_>>());
    assert_eq!(pieces(&bench, KEY_KEPT_MILLIS).concat(), by_epoch(&bench));
    for keys in found {
        bench.ok(TrimRepliesByEpoch { fence: fence(), keys });
    }
    assert_eq!(by_epoch(&bench)[..3], [(0, amid), (1, numbered(0)), (2, numbered(1))]);
    // In one piece: what is behind the epoch of a young one is not walked through.
    assert_eq!(pieces(&bench, 0), [vec![]]);
}
