//! A cluster that grows, sends mails, shares its work out, forgets what is old, and is upgraded on the way.

use shop::Outcome;
use shop::broker::{AcquireLease, Fence, TakeLease, TrimEvents, TrimReplies};
use shop::cart::{CreateCart, TrimCarts};
use shop::cluster::{
    self, AddAuthority, Autopilot, CreateJoinToken, NodeInfo, RaiseActiveVersion, RedeemJoinToken,
    RegisterNode, RetireAuthority, RevokeJoinToken, SetAutopilot, SetNodeStanding, Standing, UpdateNode,
};
use shop::command::Dedupe;
use shop::ids::{JoinTokenId, OrderId, PaymentId};
use shop::inventory::{SetStock, SetThresholds};
use shop::notification::{Delivery, Enqueue, Item, Kind, Report, TrimNotifications};
use shop::order::{FulfilOrder, Tracking};
use shop::payment::{Call, MarkSending, Operation};
use shop::{Currency, Timestamp};

use crate::Entry;
use crate::script::{DAY_MILLIS, Player, fill, line, lines, order, pay, placed, set_up};

const SECRET: [u8; 32] = [9; 32];

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    grow(&mut player);
    let first = sell(&mut player);
    send_mails(&mut player, first);
    share_work(&mut player);
    raise(&mut player);
    // All of it once more, by the rules of the new level.
    let second = sell(&mut player);
    send_more_mails(&mut player, second);
    shrink(&mut player);
    forget(&mut player);
    player.into_entries()
}

fn info(name: &str) -> NodeInfo {
    NodeInfo {
        name: name.into(),
        zone: "z1".into(),
        cluster: format!("{name}:7080"),
        http: format!("{name}:8080"),
        version: "0.1.0".into(),
    }
}

fn token(player: &mut Player) -> JoinTokenId {
    match player.ok(CreateJoinToken { secret_sha256: SECRET, lifetime_ms: 3_600_000 }) {
        Outcome::Cluster(cluster::Outcome::Token { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

fn redeem(token: JoinTokenId, name: &str, key: u8) -> RedeemJoinToken {
    RedeemJoinToken { token, secret_sha256: SECRET, info: info(name), key_sha256: [key; 32] }
}

fn authority(byte: u8) -> AddAuthority {
    AddAuthority { fingerprint: [byte; 32], certificate_der: vec![byte; 90], sealed_key: vec![byte; 60] }
}

fn grow(player: &mut Player) {
    player.ok(RegisterNode { info: info("a"), key_sha256: [1; 32] });
    player.refused(RegisterNode { info: info("b"), key_sha256: [2; 32] }, "conflict");
    player.ok(authority(1));
    for (name, key) in [("b", 2), ("c", 3)] {
        let token = token(player);
        player.ok(redeem(token, name, key));
        // The answer was lost.
        player.ok(redeem(token, name, key));
        player.refused(redeem(token, name, 7), "token_used");
    }
    let revoked = token(player);
    player.ok(RevokeJoinToken { id: revoked });
    player.refused(redeem(revoked, "d", 4), "token_revoked");
    player.ok(SetAutopilot { autopilot: Autopilot { max_voters: 3, ..Autopilot::default() } });
    let moved = UpdateNode { id: 2, cluster: Some("b:7090".into()), ..UpdateNode::default() };
    player.ok(moved);
    for standing in [Standing::Draining, Standing::Active] {
        player.ok(SetNodeStanding { id: 2, standing });
    }
}

/// A paid and shipped order.
fn sell(player: &mut Player) -> OrderId {
    let cart = CreateCart { owner: None, currency: Currency::EUR, items: vec![line("rooibos-1", 1)] };
    player.ok(cart);
    let sku = || "assam-1".parse().expect("a SKU");
    player.ok(SetStock { sku: sku(), location: None, on_hand: 9, if_on_hand: None });
    player.ok(SetThresholds { sku: sku(), location: None, safety: None, low_at: Some(8) });
    let wanted = lines(&[("sencha-1", 1), ("assam-1", 2)]);
    let id = placed(player.play(order(wanted, None), Dedupe::Request));
    pay(player, id);
    let tracking = Some(Tracking { carrier: "DHL".into(), number: "1".into(), url: None });
    player.ok(FulfilOrder { order: id, lines: Vec::new(), tracking });
    id
}

fn fence(queue: &str, epoch: u64) -> Fence {
    Fence { queue: queue.into(), epoch }
}

fn mails(epoch: u64) -> Fence {
    fence("notifications", epoch)
}

/// The time at which the next command is stamped, and so long after it.
fn later(player: &Player, millis: u64) -> Timestamp {
    Timestamp::from_millis(player.now_ms + millis)
}

fn enqueue(order: OrderId, up_to: u64, kinds: &[(u64, Kind)], epoch: u64) -> Enqueue {
    let items = kinds.iter().map(|(seq, kind)| Item { seq: *seq, kind: *kind, order }).collect();
    Enqueue { fence: mails(epoch), up_to, items }
}

fn send_mails(player: &mut Player, order: OrderId) {
    player.ok(TakeLease { queue: "notifications".into(), holder: 1, after_epoch: 0 });
    let kinds = [(30, Kind::Confirmed), (31, Kind::Shipped(1)), (33, Kind::Refunded(1))];
    player.ok(enqueue(order, 34, &kinds, 1));
    // The worker crashed before it learned of its own command.
    player.ok(enqueue(order, 34, &kinds, 1));
    let at = later(player, 60_000);
    let refused = Delivery::Failed { reason: "550".into() };
    let results =
        vec![(30, Delivery::Sent), (31, Delivery::Retry { at }), (33, refused), (99, Delivery::Sent)];
    player.ok(Report { fence: mails(1), results });
    player.refused(enqueue(order, 40, &[], 7), "stale_epoch");
    player.now_ms += 60_000;
    player.ok(Report { fence: mails(1), results: vec![(31, Delivery::Sent), (33, Delivery::Sent)] });
}

fn share_work(player: &mut Player) {
    let take = |holder, after_epoch| TakeLease { queue: "payments-3".into(), holder, after_epoch };
    player.ok(take(2, 0));
    player.refused(take(3, 0), "stale_epoch");
    // Given back, and taken by somebody else.
    player.ok(take(0, 1));
    player.ok(AcquireLease { queue: "payments-3".into(), holder: 1 });
    player.ok(AcquireLease { queue: "retention".into(), holder: 3 });
    player.ok(AcquireLease { queue: "retention".into(), holder: 3 });
    let payment = PaymentId::of(OrderId([1; 16]), 1);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    player.refused(MarkSending { fence: fence("payments-3", 1), call }, "stale_epoch");
}

fn raise(player: &mut Player) {
    let to = |to| RaiseActiveVersion { to, program: "0.2.0".into() };
    player.refused(to(3), "conflict");
    player.ok(to(2));
    // Repeated, it changes nothing.
    player.ok(to(2));
    player.refused(to(1), "conflict");
}

fn send_more_mails(player: &mut Player, order: OrderId) {
    player.ok(TakeLease { queue: "notifications".into(), holder: 2, after_epoch: 1 });
    player.refused(enqueue(order, 60, &[], 1), "stale_epoch");
    let kinds = [(34, Kind::Confirmed), (60, Kind::Confirmed), (61, Kind::Shipped(1))];
    player.ok(enqueue(order, 62, &kinds, 2));
    let reason = "451 ".repeat(100);
    let results = vec![(60, Delivery::Sent), (61, Delivery::Failed { reason })];
    player.ok(Report { fence: mails(2), results });
    // One that stays pending.
    player.ok(enqueue(order, 70, &[(70, Kind::Confirmed)], 2));
    let at = later(player, 5_000);
    player.ok(Report { fence: mails(2), results: vec![(70, Delivery::Retry { at })] });
}

fn shrink(player: &mut Player) {
    player.ok(SetNodeStanding { id: 3, standing: Standing::Draining });
    player.ok(SetNodeStanding { id: 3, standing: Standing::Removed });
    player.refused(SetNodeStanding { id: 3, standing: Standing::Active }, "node_removed");
    player.ok(UpdateNode { id: 1, version: Some("0.2.0".into()), ..UpdateNode::default() });
    player.ok(authority(2));
    player.refused(authority(3), "limit_reached");
    player.ok(RetireAuthority { fingerprint: [1; 32] });
    let wrong = Autopilot { max_voters: 0, ..Autopilot::default() };
    player.refused(SetAutopilot { autopilot: wrong }, "invalid_value");
    player.ok(SetAutopilot { autopilot: Autopilot::default() });
}

fn forget(player: &mut Player) {
    let ended_before = later(player, 0);
    let fence = || fence("retention", 2);
    player.ok(TrimNotifications { fence: fence(), seqs: vec![30, 31, 33, 61, 70, 99], ended_before });
    player.now_ms += 15 * DAY_MILLIS;
    // Under which the answer to the entry with this index is kept.
    let key = |index: u8| {
        let mut key = [0; 32];
        key[15] = index;
        key
    };
    player.ok(TrimReplies { fence: fence(), keys: vec![key(1), key(2)] });
    player.ok(TrimCarts { fence: fence(), after: None });
    player.ok(TrimEvents { fence: fence(), below: 70 });
    player.now_ms += 400 * DAY_MILLIS;
    player.ok(TrimCarts { fence: fence(), after: None });
    player.ok(TrimEvents { fence: fence(), below: 20 });
    player.ok(TrimEvents { fence: fence(), below: u64::MAX });
    // What ended long ago goes from the tokens when the next one is made.
    token(player);
}
