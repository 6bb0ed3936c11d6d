//! The same requests with keys below level 6 and above: repeated, with another body, forgotten, and repeated once more.

use shop::broker::{AcquireLease, CreateTopic, Fence, PublishEvent, TrimEvents, TrimReplies, UpdateSettings};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::inventory::SetStock;
use shop::order::PlaceOrder;

use crate::Entry;
use crate::script::{DAY_MILLIS, Player, fill, lines, order, set_up};

/// How long a key is honoured.
pub const KEPT_MILLIS: u64 = 7 * DAY_MILLIS;

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    player.ok(AcquireLease { queue: "retention".into(), holder: 1 });
    player.ok(CreateTopic { name: "acme".into(), partitions: 1, retention_days: None });
    let sku = "rooibos-1".parse().expect("a SKU");
    player.ok(SetStock { sku, location: None, on_hand: 1_000, if_on_hand: None });
    let mut next = 0;
    for to in 2..=6 {
        ask(&mut player, &mut next);
        player.ok(RaiseActiveVersion { to, program: "0.6.0".into() });
    }
    // What was kept below the level is honoured above it.
    for number in 0..next {
        ask_again(&mut player, number);
    }
    ask(&mut player, &mut next);
    for number in 0..next {
        ask_again(&mut player, number);
    }
    let fence = || Fence { queue: "retention".into(), epoch: 1 };
    let settings = shop::broker::Settings { event_days: 1, ..shop::broker::Settings::default() };
    player.ok(UpdateSettings { settings, if_revision: None });
    for days in [2, 6] {
        player.now_ms += days * DAY_MILLIS;
        player.ok(TrimReplies { fence: fence(), keys: (0..next).map(scope).collect() });
        player.ok(TrimEvents { fence: fence(), below: u64::MAX });
        ask(&mut player, &mut next);
    }
    player.now_ms += KEPT_MILLIS;
    player.ok(TrimReplies { fence: fence(), keys: (0..next).map(scope).collect() });
    player.ok(TrimEvents { fence: fence(), below: u64::MAX });
    player.into_entries()
}

pub fn scope(number: u8) -> [u8; 32] {
    [number ^ 0xa5; 32]
}

fn key(number: u8, fingerprint: u8) -> Dedupe {
    Dedupe::Key { scope: scope(number), fingerprint: [fingerprint; 32] }
}

fn wanted() -> PlaceOrder {
    order(lines(&[("rooibos-1", 1)]), None)
}

fn seen() -> PublishEvent {
    PublishEvent { topic: "acme".into(), kind: "acme.seen.v1".into(), key: "k".into(), data: "1".into() }
}

/// An order and an event, each with a key of its own.
pub fn ask(player: &mut Player, next: &mut u8) {
    player.play(wanted(), key(*next, 1)).expect("an order");
    player.play(seen(), key(*next + 1, 1)).expect("an event");
    *next += 2;
}

pub fn ask_again(player: &mut Player, number: u8) {
    for fingerprint in [1, 2] {
        let dedupe = key(number, fingerprint);
        let answer = if number.is_multiple_of(2) {
            player.play(wanted(), dedupe)
        } else {
            player.play(seen(), dedupe)
        };
        assert_eq!(answer.is_ok(), fingerprint == 1, "{answer:?}");
    }
}
