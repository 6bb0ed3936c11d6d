//! The same requests with keys below level 7 and above: repeated, with another body, forgotten, and used anew, by those
//! from before the level too.

use shop::broker::{
    AcquireLease, CreateTopic, Fence, JoinGroup, TrimEvents, TrimReplies, TrimRepliesByEpoch, UpdateSettings,
};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::inventory::SetStock;

use crate::Entry;
use crate::answers::{KEPT_MILLIS, ask, ask_again, scope};
use crate::script::{DAY_MILLIS, Player, fill, set_up};

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    player.ok(AcquireLease { queue: "retention".into(), holder: 1 });
    player.ok(CreateTopic { name: "acme".into(), partitions: 1, retention_days: None });
    let sku = "rooibos-1".parse().expect("a SKU");
    player.ok(SetStock { sku, location: None, on_hand: 1_000, if_on_hand: None });
    let mut next = 0;
    for to in 2..=7 {
        ask(&mut player, &mut next);
        player.refused(trim_by_epoch(next), "level_too_low");
        player.ok(RaiseActiveVersion { to, program: "0.7.0".into() });
    }
    let below = next;
    ask(&mut player, &mut next);
    // It tells no event.
    let join = || JoinGroup { group: "g".into(), member: "a".into() };
    let key = || Dedupe::Key { scope: [1; 32], fingerprint: [1; 32] };
    let joined = player.play(join(), key());
    assert_eq!(player.play(join(), key()), joined);
    // In one run with what they repeat, and in others.
    for number in 0..next {
        ask_again(&mut player, number);
    }
    player.ok(trim(next));
    player.ok(trim_by_epoch(next));
    let settings = shop::broker::Settings { event_days: 1, ..shop::broker::Settings::default() };
    player.ok(UpdateSettings { settings, if_revision: None });

    // All are over: some are used anew before they are trimmed, from below the level and from above it.
    player.now_ms += KEPT_MILLIS;
    let (mut old, mut new) = (below - 2, below);
    ask(&mut player, &mut old);
    ask(&mut player, &mut new);
    for number in below - 2..next {
        ask_again(&mut player, number);
    }
    for days in [0, 6, 2] {
        player.now_ms += days * DAY_MILLIS;
        player.ok(trim(next));
        player.ok(trim_by_epoch(next));
        player.ok(TrimEvents { fence: fence(), below: u64::MAX });
        ask(&mut player, &mut next);
    }
    player.into_entries()
}

fn fence() -> Fence {
    Fence { queue: "retention".into(), epoch: 1 }
}

fn trim(next: u8) -> TrimReplies {
    TrimReplies { fence: fence(), keys: (0..next).map(scope).collect() }
}

fn trim_by_epoch(next: u8) -> TrimRepliesByEpoch {
    TrimRepliesByEpoch { fence: fence(), keys: (0..next).map(|number| (0, scope(number))).collect() }
}
