//! Part of the day: stock moved about, carts changed, payments that go wrong in every way.

use shop::actor::Caller;
use shop::broker::{Settings, UpdateSettings};
use shop::cart::{self, ChangeItem, CreateCart, RemoveItem, ReplaceItems, TrimCarts};
use shop::ids::{LocationId, OrderId, PaymentId, RefundId};
use shop::inventory::{self, CreateLocation, SetThresholds, TransferStock};
use shop::order::{CancelOrder, EraseOrders, FulfilOrder, PlaceOrder};
use shop::payment::{
    self, Call, CaptureMode, Choice, MarkPaid, MarkSending, Observe, OpenAttempt, Operation, PaymentReport,
    PaymentStatus, Provider, RefundReport, RefundStatus, Report, ReportAbsent, ReportNoAnswer, ReportRefused,
    RequestCapture, RequestVoid, ResolveUnmatched, Source,
};
use shop::{Currency, Money, Outcome};

use crate::script::{Player, fence, line, lines, order, placed};

/// What `rooibos-1` costs.
const PRICE: i64 = 1;

pub fn play(player: &mut Player) {
    move_stock(player);
    change_carts(player);
    capture_and_void(player);
    refuse_and_retry(player);
    give_back(player);
    by_hand(player);
}

fn move_stock(player: &mut Player) {
    let to = match player.ok(CreateLocation { name: "Second".into() }) {
        Outcome::Inventory(inventory::Outcome::LocationCreated(location)) => location.id,
        other => panic!("{other:?}"),
    };
    let sku = || "rooibos-1".parse().expect("a SKU");
    let set = player.ok(SetThresholds { sku: sku(), location: None, safety: Some(1), low_at: Some(3) });
    let from: LocationId = match set {
        Outcome::Inventory(inventory::Outcome::Stock(levels)) => levels[0].location,
        other => panic!("{other:?}"),
    };
    player.ok(TransferStock { sku: sku(), from, to, quantity: 2 });
    player.refused(TransferStock { sku: sku(), from, to, quantity: 20 }, "stock_negative");
    let grow = inventory::SetStock { sku: sku(), location: Some(from), on_hand: 30, if_on_hand: Some(3) };
    player.ok(grow);
}

fn change_carts(player: &mut Player) {
    let caller = Caller::Shopper(None);
    let items = vec![line("rooibos-1", 1), line("sencha-1", 1), line("rooibos-1", 2)];
    let (id, cart) = match player.ok(CreateCart { owner: None, currency: Currency::EUR, items }) {
        Outcome::Cart(cart::Outcome::Cart(id, cart)) => (id, cart),
        other => panic!("{other:?}"),
    };
    let (first, second) = (cart.items[0].id, cart.items[1].id);
    player.ok(ChangeItem { cart: id, caller, revision: Some(1), item: first, quantity: 4 });
    player.refused(RemoveItem { cart: id, caller, revision: Some(1), item: second }, "precondition_failed");
    player.ok(RemoveItem { cart: id, caller, revision: Some(2), item: second });
    player.ok(ReplaceItems { cart: id, caller, revision: None, items: vec![line("rooibos-1", 9)] });
    player.ok(TrimCarts { fence: fence(), after: None });
}

fn buy(player: &mut Player, capture: CaptureMode) -> (OrderId, PaymentId) {
    let place = PlaceOrder {
        payment: Some(Choice {
            provider: Provider::Sandbox,
            method: "card_ok".into(),
            capture: Some(capture),
        }),
        ..order(lines(&[("rooibos-1", 2)]), None)
    };
    let id = placed(player.play(place, shop::command::Dedupe::Request));
    (id, PaymentId::of(id, 1))
}

fn call(payment: PaymentId, operation: Operation, sequence: u16) -> Call {
    Call { payment, operation, sequence }
}

pub(crate) fn send(player: &mut Player, payment: PaymentId, operation: Operation, sequence: u16) {
    player.ok(MarkSending { fence: fence(), call: call(payment, operation, sequence) });
}

pub(crate) fn hear(
    player: &mut Player,
    payment: PaymentId,
    status: PaymentStatus,
    source: Source,
) -> Outcome {
    let amount = 2 * PRICE;
    let yes = matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured);
    let report = Report::Payment(PaymentReport {
        payment: Some(payment),
        object: format!("pi_{payment}"),
        status,
        amount: Money::new(amount, Currency::EUR),
        authorized: if yes { amount } else { 0 },
        captured: if status == PaymentStatus::Captured { amount } else { 0 },
        next_action: None,
        failure: (status == PaymentStatus::Declined).then(|| "card_declined".into()),
    });
    player.ok(Observe { fence: None, provider: Provider::Sandbox, source, report })
}

pub(crate) fn hear_refund(player: &mut Player, refund: RefundId, status: RefundStatus) {
    let amount = Money::new(2 * PRICE, Currency::EUR);
    let object = format!("re_{refund}");
    let report = Report::Refund(RefundReport { refund: Some(refund), object, status, amount, failure: None });
    player.ok(Observe { fence: None, provider: Provider::Sandbox, source: Source::Webhook, report });
}

fn capture_and_void(player: &mut Player) {
    let (taken, payment) = buy(player, CaptureMode::Manual);
    send(player, payment, Operation::Authorize, 1);
    hear(player, payment, PaymentStatus::Authorized, Source::Answer);
    player.ok(RequestCapture { payment, amount: None });
    send(player, payment, Operation::Capture, 2);
    hear(player, payment, PaymentStatus::Captured, Source::Answer);
    player.ok(FulfilOrder { order: taken, lines: vec![(0, 1)], tracking: None });
    player.refused(CancelOrder { order: taken, caller: Caller::Staff }, "conflict");

    let (_, payment) = buy(player, CaptureMode::Manual);
    send(player, payment, Operation::Authorize, 1);
    hear(player, payment, PaymentStatus::Authorized, Source::Answer);
    player.ok(RequestVoid { payment });
    send(player, payment, Operation::Void, 2);
    hear(player, payment, PaymentStatus::Canceled, Source::Answer);
}

fn refuse_and_retry(player: &mut Player) {
    let (id, payment) = buy(player, CaptureMode::Automatic);
    send(player, payment, Operation::Authorize, 1);
    let again = || OpenAttempt {
        order: id,
        caller: Caller::Shopper(None),
        choice: Choice { provider: Provider::Sandbox, method: "card_3ds".into(), capture: None },
    };
    player.refused(again(), "payment_in_progress");
    let refused = call(payment, Operation::Authorize, 1);
    player.ok(ReportRefused { fence: fence(), call: refused, code: "card_declined".into() });
    player.ok(again());
    let second = PaymentId::of(id, 2);
    send(player, second, Operation::Authorize, 1);
    hear(player, second, PaymentStatus::RequiresAction, Source::Answer);
    player.now_ms += 61 * 60 * 1_000;
    send(player, second, Operation::Cancel, 2);
    hear(player, second, PaymentStatus::Captured, Source::Webhook);
    // The first one was taken as well.
    hear(player, payment, PaymentStatus::Captured, Source::Poll);

    let stranger = Report::Payment(PaymentReport {
        payment: None,
        object: "pi_stranger".into(),
        status: PaymentStatus::Captured,
        amount: Money::new(5, Currency::EUR),
        authorized: 5,
        captured: 5,
        next_action: None,
        failure: None,
    });
    let heard =
        Observe { fence: None, provider: Provider::Sandbox, source: Source::Webhook, report: stranger };
    player.ok(heard.clone());
    if let Outcome::Payment(payment::Outcome::Quarantined(unmatched)) = player.ok(heard.clone()) {
        player.ok(ResolveUnmatched { unmatched });
    }
    player.ok(heard);
}

fn give_back(player: &mut Player) {
    let (id, payment) = buy(player, CaptureMode::Automatic);
    send(player, payment, Operation::Authorize, 1);
    player.ok(ReportNoAnswer { fence: fence(), call: call(payment, Operation::Authorize, 1) });
    player.ok(CancelOrder { order: id, caller: Caller::Shopper(None) });
    player.ok(ReportAbsent { fence: fence(), call: call(payment, Operation::Authorize, 1) });
    hear(player, payment, PaymentStatus::Captured, Source::Poll);
    send(player, payment, Operation::Refund, 1);
    for status in [RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed] {
        hear_refund(player, RefundId::of(id, 1), status);
    }
    player.ok(EraseOrders { orders: vec![id] });
}

fn by_hand(player: &mut Player) {
    let choice = || Choice { provider: Provider::Manual, method: String::new(), capture: None };
    let place = || PlaceOrder { payment: Some(choice()), ..order(lines(&[("rooibos-1", 1)]), None) };
    player.refused(place(), "provider_not_enabled");
    let settings =
        Settings { store_name: "Tea".into(), hold_minutes: 10, manual_payments: true, ..Settings::default() };
    player.ok(UpdateSettings { if_revision: Some(1), settings });
    let id = placed(player.play(place(), shop::command::Dedupe::Request));
    player.ok(FulfilOrder { order: id, lines: Vec::new(), tracking: None });
    player.ok(MarkPaid { order: id });
}
