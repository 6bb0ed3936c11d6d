//! The index of payments by state is kept from level 4 on, and filled with the orders from before while the shop sells.

use shop::actor::Caller;
use shop::broker::{Fence, Settings, TakeLease, UpdateSettings};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::ids::{OrderId, PaymentId};
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
    let index = |orders| IndexStates { fence: Fence { queue: "retention".into(), epoch: 1 }, orders };

    // One of each kind, by the rules of before.
    let paid = place(&mut player, &[("sencha-1", 1), ("assam-1", 2)], Provider::Sandbox);
    pay(&mut player, paid);
    let invoice = place(&mut player, &[("sencha-1", 1)], Provider::Manual);
    let silent = place(&mut player, &[("sencha-1", 1)], Provider::Sandbox);
    send(&mut player, silent, 1);
    let refused = place(&mut player, &[("sencha-1", 1)], Provider::Sandbox);
    refuse(&mut player, refused, 1);
    let fresh = place(&mut player, &[("rooibos-1", 1)], Provider::Sandbox);
    for to in [2, 3, 4] {
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
    let late = Fence { queue: "retention".into(), epoch: 0 };
    player.refused(IndexStates { fence: late, orders: 9 }, "stale_epoch");
    player.ok(index(9_999));
    // Complete: it changes nothing any more.
    player.ok(index(9_999));
    player.ok(MarkPaid { order: second });
    let third = place(&mut player, &[("rooibos-1", 1)], Provider::Sandbox);
    refuse(&mut player, third, 1);
    player.into_entries()
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
