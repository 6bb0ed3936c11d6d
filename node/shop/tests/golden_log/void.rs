//! A canceled order takes money late, while another attempt of it is being voided: below level 5 the money waits for the void,
//! from then on it goes back at once. A refund fails, and below level 5 it is opened again with the next money.

use shop::actor::Caller;
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::ids::{PaymentId, RefundId};
use shop::order::{CancelOrder, PlaceOrder};
use shop::payment::{
    CaptureMode, Choice, OpenAttempt, Operation, PaymentStatus, Provider, RefundStatus, Source,
};

use crate::Entry;
use crate::money::{hear, hear_refund, send};
use crate::script::{Player, fill, lines, order, placed, set_up};

pub fn play() -> Vec<Entry> {
    let mut player = Player::new();
    set_up(&mut player);
    fill(&mut player);
    for to in 2..=5 {
        take_during_a_void(&mut player);
        player.ok(RaiseActiveVersion { to, program: "0.5.0".into() });
    }
    take_during_a_void(&mut player);
    player.into_entries()
}

fn take_during_a_void(player: &mut Player) {
    let choice = || Choice {
        provider: Provider::Sandbox,
        method: "card_ok".into(),
        capture: Some(CaptureMode::Automatic),
    };
    let place = PlaceOrder { payment: Some(choice()), ..order(lines(&[("rooibos-1", 2)]), None) };
    let order = placed(player.play(place, Dedupe::Request));
    let (first, second) = (PaymentId::of(order, 1), PaymentId::of(order, 2));
    send(player, first, Operation::Authorize, 1);
    hear(player, first, PaymentStatus::Declined, Source::Answer);
    player.ok(OpenAttempt { order, caller: Caller::Staff, choice: choice() });
    send(player, second, Operation::Authorize, 1);
    hear(player, second, PaymentStatus::Authorized, Source::Answer);
    player.ok(CancelOrder { order, caller: Caller::Staff });
    send(player, second, Operation::Void, 2);
    hear(player, first, PaymentStatus::Captured, Source::Webhook);
    hear(player, second, PaymentStatus::Canceled, Source::Answer);
    hear_refund(player, RefundId::of(order, 1), RefundStatus::Failed);
    hear(player, second, PaymentStatus::Captured, Source::Webhook);
}
