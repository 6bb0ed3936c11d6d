//! The indexes of payments by state and of notifications by status are kept from level 4 on, and filled with what is from
//! before while the shop sells.

use shop::Timestamp;
use shop::actor::Caller;
use shop::broker::{Fence, Settings, TakeLease, UpdateSettings};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::ids::{OrderId, PaymentId};
use shop::notification::{
    Delivery, Enqueue, IndexStatuses, Item, Kind, Report, RetryNotification, TrimNotifications,
};
use shop::order::{CancelOrder, PlaceOrder};
use shop::payment::{
    Call, Choice, IndexStates, MarkPaid, MarkSending, OpenAttempt, Operation, Provider, ReportNoAnswer,
    ReportRefused,
};

use crate::Entry;
use crate::script::{Player, fence, fill, lines, order, pay, placed, set_up};

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    let settings = Settings { manual_payments: true, ..Settings::default() };
    player.ok(UpdateSettings { if_revision: None, settings });
    player.ok(TakeLease { queue: "retention".into(), holder: 1, after_epoch: 0 });
    let index = |orders| IndexStates { fence: retention(1), orders };

    // One of each kind, by the rules of before.
    let paid = place(&mut player, &[("sencha-1", 1), ("assam-1", 2)], Provider::Sandbox);
    pay(&mut player, paid);
    let invoice = place(&mut player, &[("sencha-1", 1)], Provider::Manual);
    let silent = place(&mut player, &[("sencha-1", 1)], Provider::Sandbox);
    send(&mut player, silent, 1);
    let refused = place(&mut player, &[("sencha-1", 1)], Provider::Sandbox);
    refuse(&mut player, refused, 1);
    let fresh = place(&mut player, &[("rooibos-1", 1)], Provider::Sandbox);
    player.ok(TakeLease { queue: "notifications".into(), holder: 1, after_epoch: 0 });
    send_mails(&mut player, paid, 40);
    let mails = |notifications| IndexStatuses { fence: retention(1), notifications };
    for to in [2, 3, 4] {
        player.refused(mails(2), "level_too_low");
        player.refused(index(2), "level_too_low");
        player.ok(RaiseActiveVersion { to, program: "0.4.0".into() });
    }

    // By the new ones, before they are filled in: some will be reached as they have become.
    player.ok(CancelOrder { order: fresh, caller: Caller::Staff });
    player.ok(ReportNoAnswer { fence: fence(), call: call(silent, 1) });
    let second = place(&mut player, &[("rooibos-1", 1)], Provider::Manual);
    player.ok(index(0));
    player.ok(index(1));
    player.ok(MarkPaid { order: invoice });
    player.ok(OpenAttempt { order: refused, caller: Caller::Staff, choice: choice(Provider::Sandbox) });
    refuse(&mut player, refused, 2);
    player.refused(IndexStates { fence: retention(0), orders: 9 }, "stale_epoch");
    player.ok(index(9_999));
    // Complete: it changes nothing any more.
    player.ok(index(9_999));
    player.ok(MarkPaid { order: second });
    let third = place(&mut player, &[("rooibos-1", 1)], Provider::Sandbox);
    refuse(&mut player, third, 1);
    send_mails(&mut player, paid, 50);
    index_mails(&mut player, mails);
    player.into_entries()
}

fn retention(epoch: u64) -> Fence {
    Fence { queue: "retention".into(), epoch }
}

/// Three mails: one that is pending, one that was sent, one that has failed.
fn send_mails(player: &mut Player, order: OrderId, seq: u64) {
    let fence = || Fence { queue: "notifications".into(), epoch: 1 };
    let kinds = [Kind::Confirmed, Kind::Shipped(1), Kind::Refunded(1)];
    let items = (seq..).zip(kinds).map(|(seq, kind)| Item { seq, kind, order }).collect();
    player.ok(Enqueue { fence: fence(), up_to: seq + 2, items });
    let failed = Delivery::Failed { reason: "451".into() };
    let results = vec![(seq + 1, Delivery::Sent), (seq + 2, failed)];
    player.ok(Report { fence: fence(), results });
}

fn index_mails(player: &mut Player, mails: impl Fn(u32) -> IndexStatuses) {
    player.ok(RetryNotification { seq: 42 });
    player.ok(mails(1));
    player.refused(IndexStatuses { fence: retention(0), notifications: 9 }, "stale_epoch");
    player.ok(mails(0));
    player.ok(mails(9_999));
    player.ok(mails(9_999));
    let ended_before = Timestamp::from_millis(player.now_ms);
    player.ok(TrimNotifications { fence: retention(1), seqs: vec![40, 41, 51], ended_before });
}

fn choice(provider: Provider) -> Choice {
    Choice { provider, method: "card_ok".into(), capture: None }
}

fn place(player: &mut Player, wanted: &[(&str, u32)], provider: Provider) -> OrderId {
    let command = PlaceOrder { payment: Some(choice(provider)), ..order(lines(wanted), None) };
    placed(player.play(command, Dedupe::Request))
}

fn call(order: OrderId, attempt: u8) -> Call {
    Call { payment: PaymentId::of(order, attempt), operation: Operation::Authorize, sequence: 1 }
}

fn send(player: &mut Player, order: OrderId, attempt: u8) {
    player.ok(MarkSending { fence: fence(), call: call(order, attempt) });
}

fn refuse(player: &mut Player, order: OrderId, attempt: u8) {
    send(player, order, attempt);
    player.ok(ReportRefused { fence: fence(), call: call(order, attempt), code: "card_declined".into() });
}
