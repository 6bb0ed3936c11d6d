//! A mail that has failed is sent again, which is refused below level 3.

use shop::broker::{Fence, TakeLease};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::notification::{Delivery, Enqueue, Item, Kind, Report, RetryNotification};

use crate::Entry;
use crate::script::{DAY_MILLIS, Player, fill, lines, order, pay, placed, set_up};

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    let wanted = lines(&[("sencha-1", 1), ("assam-1", 2)]);
    let order = placed(player.play(order(wanted, None), Dedupe::Request));
    pay(&mut player, order);
    player.ok(TakeLease { queue: "notifications".into(), holder: 1, after_epoch: 0 });
    let fence = || Fence { queue: "notifications".into(), epoch: 1 };
    let kinds = [Kind::Confirmed, Kind::Shipped(1), Kind::Refunded(1)];
    let items = (40..).zip(kinds).map(|(seq, kind)| Item { seq, kind, order }).collect();
    player.ok(Enqueue { fence: fence(), up_to: 42, items });
    let report = |player: &mut Player, seq, delivery| {
        player.ok(Report { fence: fence(), results: vec![(seq, delivery)] });
    };
    let failed = || Delivery::Failed { reason: "451".into() };
    report(&mut player, 40, failed());
    report(&mut player, 41, Delivery::Sent);
    let retry = |seq| RetryNotification { seq };
    for to in [2, 3] {
        player.refused(retry(40), "level_too_low");
        player.ok(RaiseActiveVersion { to, program: "0.3.0".into() });
    }
    player.now_ms += DAY_MILLIS;
    player.ok(retry(40));
    player.refused(retry(40), "conflict");
    player.refused(retry(41), "conflict");
    player.refused(retry(42), "conflict");
    player.refused(retry(43), "not_found");
    report(&mut player, 40, failed());
    player.ok(retry(40));
    report(&mut player, 40, Delivery::Sent);
    player.refused(retry(40), "conflict");
    player.into_entries()
}
