//! Text messages, which are refused below level 4: sent, refused, looked up, retried, forgotten.

use shop::Outcome;
use shop::Timestamp;
use shop::broker::{Fence, TakeLease};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::ids::OrderId;
use shop::order::FulfilOrder;
use shop::sms::{
    self, BeginMessages, Ended, EnqueueMessages, Finding, Item, Kind, ReportMessages, RetryMessage,
    TrimMessages,
};

use crate::Entry;
use crate::script::{DAY_MILLIS, Player, fill, lines, order, pay, placed, set_up};

fn fence(queue: &str) -> Fence {
    Fence { queue: queue.into(), epoch: 1 }
}

fn enqueue(order: OrderId, up_to: u64, seqs: &[u64]) -> EnqueueMessages {
    let items = seqs.iter().map(|seq| Item { seq: *seq, kind: Kind::Shipped(1), order }).collect();
    EnqueueMessages { fence: fence("sms"), up_to, items }
}

fn begin(player: &mut Player, seqs: &[u64]) -> (u64, Vec<u64>) {
    match player.ok(BeginMessages { fence: fence("sms"), seqs: seqs.to_vec() }) {
        Outcome::Sms(sms::Outcome::Begun { attempt, seqs }) => (attempt, seqs),
        other => panic!("{other:?}"),
    }
}

fn report(player: &mut Player, attempt: u64, results: &[(u64, Finding)]) {
    let ended = |(seq, finding): &(u64, Finding)| Ended { seq: *seq, attempt, finding: finding.clone() };
    let results = results.iter().map(ended).collect();
    player.ok(ReportMessages { fence: fence("sms"), results });
}

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    let wanted = lines(&[("sencha-1", 1), ("assam-1", 2)]);
    let order = placed(player.play(order(wanted, None), Dedupe::Request));
    pay(&mut player, order);
    player.ok(FulfilOrder { order, lines: Vec::new(), tracking: None });
    for queue in ["sms", "retention"] {
        player.ok(TakeLease { queue: queue.into(), holder: 1, after_epoch: 0 });
    }
    for to in [2, 3, 4] {
        player.refused(enqueue(order, 50, &[40]), "level_too_low");
        player.refused(RetryMessage { seq: 40 }, "level_too_low");
        player.ok(RaiseActiveVersion { to, program: "0.4.0".into() });
    }
    player.ok(enqueue(order, 50, &[40, 41, 42, 43, 44]));
    // The worker crashed before it learned of its own command.
    player.ok(enqueue(order, 50, &[40, 41, 42, 43, 44]));
    let stale = BeginMessages { fence: Fence { queue: "sms".into(), epoch: 7 }, seqs: vec![40] };
    player.refused(stale, "stale_epoch");
    let (first, begun) = begin(&mut player, &[40, 41, 42, 43, 44, 99]);
    assert_eq!(begun, [40, 41, 42, 43, 44]);
    assert_eq!(begin(&mut player, &[40, 44]).1, [0; 0]);
    let at = Timestamp::from_millis(player.now_ms + 60_000);
    let refused = Finding::Refused { reason: "21211 ".repeat(100) };
    report(
        &mut player,
        first,
        &[
            (40, Finding::Sent),
            (41, refused),
            (42, Finding::NotAccepted { at }),
            (43, Finding::NotFound),
            (44, Finding::NoAnswer),
            (99, Finding::Sent),
        ],
    );
    for seq in [40, 42, 43] {
        player.refused(RetryMessage { seq }, "conflict");
    }
    player.refused(RetryMessage { seq: 99 }, "not_found");
    player.ok(RetryMessage { seq: 41 });
    player.now_ms += 60_000;
    let (second, begun) = begin(&mut player, &[41, 42]);
    assert_eq!(begun, [41, 42]);
    // Of the first try: too late to say anything.
    report(&mut player, first, &[(41, Finding::NotAccepted { at }), (42, Finding::Sent)]);
    report(&mut player, second, &[(41, Finding::Sent)]);
    player.now_ms += 10 * 60_000;
    report(&mut player, first, &[(43, Finding::NotFound), (44, Finding::NoAnswer)]);
    player.now_ms += DAY_MILLIS;
    report(&mut player, first, &[(44, Finding::NoAnswer)]);
    player.ok(RetryMessage { seq: 44 });
    let ended_before = Timestamp::from_millis(player.now_ms - 60_000);
    let trim = TrimMessages { fence: fence("retention"), seqs: vec![40, 41, 42, 43, 44, 99], ended_before };
    player.ok(trim);
    player.into_entries()
}
