//! What happens when payments go wrong, row by row of the API's table, and when they go right.

mod by_state;
mod cancel;
mod deadline;
mod late_money;
mod observe;
mod refund;
mod unknown;

use crate::ids::{OrderId, PaymentId};
use crate::order::testing::{Desk, card, lines};
use crate::order::{PaymentStatus as OrderPaid, Status};
use crate::payment::{CaptureMode, Operation, PaymentStatus, State, Step, next_step};

/// An order of two `TEA-1` (19.98 EUR) with an automatic capture, and its first attempt.
fn ordered(desk: &mut Desk) -> (OrderId, PaymentId) {
    let order = desk.place(lines(&[("TEA-1", 2)]));
    (order, PaymentId::of(order, 1))
}

/// The same, authorised and waiting for staff to capture it.
fn authorized(desk: &mut Desk) -> (OrderId, PaymentId) {
    let mut command = lines(&[("TEA-1", 2)]);
    command.payment = Some(card(CaptureMode::Manual));
    let order = desk.place(command);
    let payment = PaymentId::of(order, 1);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Authorized);
    (order, payment)
}

fn state(desk: &Desk, payment: PaymentId) -> State {
    desk.order(payment.order()).attempts[usize::from(payment.ordinal()) - 1].state
}

/// What has to be done next for an order, as a text like `pay_…:authorize:1`, `lookup`, `expire`, `wait`, `nothing`.
fn next(desk: &Desk, order: OrderId) -> String {
    match next_step(order, &desk.order(order), desk.bench.now()) {
        Some(Step::LookUp { .. }) => "lookup".into(),
        Some(Step::Expire) => "expire".into(),
        Some(Step::Wait { .. }) => "wait".into(),
        Some(step) => step.sends().map(|call| call.to_string()).unwrap_or_default(),
        None => "nothing".into(),
    }
}

#[test]
fn an_automatic_payment_is_one_call() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    assert_eq!(next(&desk, order), format!("{payment}:authorize:1"));
    desk.send(payment, Operation::Authorize, 1);
    assert!(desk.order(order).is_pinned());
    desk.see(payment, PaymentStatus::Captured);
    assert_eq!(next(&desk, order), "nothing");
    assert_eq!(desk.order(order).status, Status::Open);
}

#[test]
fn a_manual_capture_waits_for_staff() {
    let mut desk = Desk::new();
    let (order, payment) = authorized(&mut desk);
    let found = desk.order(order);
    assert_eq!((found.status, found.payment_status()), (Status::Open, OrderPaid::Authorized));
    assert_eq!(next(&desk, order), "nothing");
    desk.bench.ok(crate::payment::RequestCapture { payment, amount: Some(1000) });
    assert_eq!(next(&desk, order), format!("{payment}:capture:2"));
    desk.send(payment, Operation::Capture, 2);
    let part = crate::payment::Report::Payment(crate::payment::PaymentReport {
        captured: 1000,
        ..desk.payment_report(payment, PaymentStatus::Captured)
    });
    desk.observe(part, crate::payment::Source::Answer);
    assert_eq!(desk.order(order).payment_status(), OrderPaid::PartiallyPaid);
    assert_eq!(next(&desk, order), "nothing");
}

#[test]
fn a_provider_that_only_authorises_is_asked_to_capture() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Authorized);
    assert_eq!(desk.order(order).status, Status::PendingPayment);
    assert_eq!(next(&desk, order), format!("{payment}:capture:2"));
    desk.send(payment, Operation::Capture, 2);
    desk.see(payment, PaymentStatus::Captured);
    assert_eq!(desk.order(order).status, Status::Open);
}

#[test]
fn a_refused_capture_is_looked_up_and_given_up() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Authorized);
    desk.send(payment, Operation::Capture, 2);
    desk.refuse(payment, Operation::Capture, 2);
    desk.bench.pass_millis(10_000);
    assert_eq!(next(&desk, order), "lookup");
    // A late webhook proves nothing; a look-up does.
    desk.see_by(payment, PaymentStatus::Authorized, crate::payment::Source::Webhook);
    assert_eq!(state(&desk, payment), State::Capturing);
    desk.see_by(payment, PaymentStatus::Authorized, crate::payment::Source::Poll);
    assert_eq!(next(&desk, order), format!("{payment}:void:3"));
    desk.send(payment, Operation::Void, 3);
    desk.see(payment, PaymentStatus::Canceled);
    assert_eq!((state(&desk, payment), desk.order(order).status), (State::Voided, Status::PendingPayment));
}
