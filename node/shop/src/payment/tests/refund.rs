//! Giving money back.

use super::{next, ordered};
use crate::codes::Code;
use crate::ids::RefundId;
use crate::order::testing::{Desk, card, fence, lines, refund_report};
use crate::order::{FulfilOrder, PaymentStatus as OrderPaid, Status};
use crate::payment::{
    Call, CaptureMode, MarkPaid, Operation, Provider, RESEND_MILLIS, RefundState, RefundStatus, ReportAbsent,
    ReportNoAnswer, RequestRefund, Source,
};

#[test]
fn refunds_never_exceed_what_was_captured() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let refund = |amount| RequestRefund { payment, amount };
    assert_eq!(desk.bench.refused(refund(None)).code, Code::AmountExceeded);
    desk.pay(order);
    desk.bench.ok(refund(Some(1000)));
    assert_eq!(desk.bench.refused(refund(Some(999))).code, Code::AmountExceeded);
    assert_eq!(desk.bench.refused(refund(Some(0))).code, Code::AmountExceeded);
    assert_eq!(desk.bench.refused(refund(Some(-5))).code, Code::AmountExceeded);
    desk.bench.ok(refund(None));
    assert_eq!(desk.order(order).refunding(), 1998);
    assert_eq!(desk.order(order).payment_status(), OrderPaid::Paid);

    desk.send(payment, Operation::Refund, 1);
    desk.observe(refund_report(RefundId::of(order, 1), RefundStatus::Succeeded, 1000), Source::Answer);
    assert_eq!(desk.order(order).payment_status(), OrderPaid::PartiallyRefunded);
    assert_eq!(next(&desk, order), format!("{payment}:refund:2"));
}

#[test]
fn a_refund_without_an_answer_is_repeated_then_looked_up() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.pay(order);
    desk.bench.ok(RequestRefund { payment, amount: None });
    let call = Call { payment, operation: Operation::Refund, sequence: 1 };
    desk.send(payment, Operation::Refund, 1);
    desk.bench.ok(ReportNoAnswer { fence: fence(), call });
    assert_eq!(desk.order(order).refunds[0].state, RefundState::Unknown);
    desk.bench.pass_millis(5_000);
    assert_eq!(next(&desk, order), call.to_string());
    desk.bench.pass_millis(RESEND_MILLIS);
    assert_eq!(next(&desk, order), "lookup");
    desk.bench.ok(ReportAbsent { fence: fence(), call });
    let found = desk.order(order);
    assert_eq!((found.refunds[0].state, found.refunding()), (RefundState::Failed, 0));
    // Staff may try again, under a key of its own.
    desk.bench.ok(RequestRefund { payment, amount: None });
    assert_eq!(next(&desk, order), format!("{payment}:refund:2"));
}

#[test]
fn a_refund_that_comes_back_from_the_bank_has_failed() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.pay(order);
    desk.bench.ok(RequestRefund { payment, amount: None });
    desk.send(payment, Operation::Refund, 1);
    let refund = RefundId::of(order, 1);
    for (status, state) in [
        (RefundStatus::Pending, RefundState::Pending),
        (RefundStatus::Succeeded, RefundState::Succeeded),
        (RefundStatus::Pending, RefundState::Succeeded),
        (RefundStatus::Failed, RefundState::Failed),
        (RefundStatus::Succeeded, RefundState::Failed),
    ] {
        desk.observe(refund_report(refund, status, 1998), Source::Webhook);
        assert_eq!(desk.order(order).refunds[0].state, state);
    }
}

#[test]
fn an_order_paid_by_hand_is_open_at_once_and_refunded_by_hand() {
    let mut desk = Desk::new();
    let mut command = lines(&[("TEA-1", 1)]);
    let mut choice = card(CaptureMode::Manual);
    choice.provider = Provider::Manual;
    command.payment = Some(choice);
    assert_eq!(desk.try_place(command.clone()).unwrap_err().code, Code::ProviderNotEnabled);
    desk.settings(|settings| settings.manual_payments = true);
    let order = desk.place(command);
    let found = desk.order(order);
    assert_eq!((found.status, found.payment_status()), (Status::Open, OrderPaid::None));
    assert_eq!((desk.levels("TEA-1").committed, next(&desk, order).as_str()), (1, "nothing"));
    desk.bench.ok(FulfilOrder { order, lines: Vec::new(), tracking: None });
    assert_eq!(desk.order(order).status, Status::Open);
    desk.bench.ok(MarkPaid { order });
    assert_eq!(desk.order(order).status, Status::Completed);
    assert_eq!(desk.bench.refused(MarkPaid { order }).code, Code::Conflict);
    let payment = crate::ids::PaymentId::of(order, 1);
    desk.bench.ok(RequestRefund { payment, amount: None });
    assert_eq!(desk.order(order).payment_status(), OrderPaid::Refunded);
}

#[test]
fn a_bank_transfer_confirms_an_order_that_waits_for_payment() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    assert_eq!(desk.bench.refused(MarkPaid { order }).code, Code::PaymentInProgress);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, crate::payment::PaymentStatus::Declined);
    desk.bench.ok(MarkPaid { order });
    let found = desk.order(order);
    assert_eq!((found.status, found.payment_status()), (Status::Open, OrderPaid::Paid));
}

#[test]
fn an_order_whose_authorisation_was_lost_can_be_paid_again() {
    let mut desk = Desk::new();
    let (order, payment) = super::authorized(&mut desk);
    desk.see_by(payment, crate::payment::PaymentStatus::Canceled, Source::Webhook);
    assert_eq!(desk.order(order).status, Status::Open);
    let choice = card(CaptureMode::Automatic);
    let again =
        || crate::payment::OpenAttempt { order, caller: crate::actor::Caller::Staff, choice: choice.clone() };
    desk.bench.ok(again());
    let second = crate::ids::PaymentId::of(order, 2);
    desk.send(second, Operation::Authorize, 1);
    desk.see(second, crate::payment::PaymentStatus::Captured);
    assert_eq!(desk.order(order).payment_status(), OrderPaid::Paid);
    assert_eq!(desk.bench.refused(again()).code, Code::Conflict);
}

#[test]
fn choosing_to_pay_by_hand_makes_the_order_certain() {
    let mut desk = Desk::new();
    desk.settings(|settings| settings.manual_payments = true);
    let mut command = lines(&[("TEA-1", 1)]);
    command.payment = None;
    let order = desk.place(command);
    let choice = crate::payment::Choice { provider: Provider::Manual, method: String::new(), capture: None };
    desk.bench.ok(crate::payment::OpenAttempt { order, caller: crate::actor::Caller::Shopper(None), choice });
    assert_eq!((desk.order(order).status, desk.levels("TEA-1").committed), (Status::Open, 1));
}
