//! Money for an order that is over, or for one that is paid already.

use super::{next, ordered};
use crate::actor::Caller;
use crate::codes::Code;
use crate::ids::{OrderId, PaymentId, RefundId};
use crate::inventory::{Levels, SetStock};
use crate::order::testing::{Desk, card, fence, lines, refund_report, sku};
use crate::order::{CancelOrder, ExpireOrder, Status};
use crate::payment::{
    CaptureMode, MAX_REFUNDS, OpenAttempt, Operation, PaymentStatus, RefundCause, RefundStatus,
    RequestRefund, Source,
};

/// An expired order, whose declined payment will turn out to have been taken.
fn expired(desk: &mut Desk) -> (OrderId, PaymentId) {
    let (order, payment) = ordered(desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Declined);
    desk.bench.pass_millis(31 * 60 * 1_000);
    desk.bench.ok(ExpireOrder { fence: fence(), order });
    (order, payment)
}

/// An order whose first payment was declined, and that has a second one. The first will turn out to have been taken.
fn declined_and_tried_again(desk: &mut Desk) -> (OrderId, PaymentId) {
    let (order, first) = ordered(desk);
    desk.send(first, Operation::Authorize, 1);
    desk.see(first, PaymentStatus::Declined);
    let choice = card(CaptureMode::Automatic);
    desk.bench.ok(OpenAttempt { order, caller: Caller::Staff, choice });
    (order, first)
}

#[test]
fn an_expired_order_is_reopened_if_its_stock_can_be_had() {
    let mut desk = Desk::new();
    let (order, payment) = expired(&mut desk);
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    let found = desk.order(order);
    assert_eq!((found.status, found.refunds.len()), (Status::Open, 0));
    assert_eq!(desk.levels("TEA-1"), Levels::new(10, 0, 2));
}

#[test]
fn otherwise_the_money_goes_back_exactly_once() {
    let mut desk = Desk::new();
    let (order, payment) = expired(&mut desk);
    desk.bench.ok(SetStock { sku: sku("TEA-1"), location: None, on_hand: 1, if_on_hand: None });
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    desk.see_by(payment, PaymentStatus::Captured, Source::Poll);
    let found = desk.order(order);
    assert_eq!((found.status, found.refunds.len()), (Status::Expired, 1));
    assert_eq!((found.refunds[0].amount, found.refunds[0].cause), (1998, RefundCause::LateMoney));
    assert_eq!(next(&desk, order), format!("{payment}:refund:1"));
    assert_eq!(desk.levels("TEA-1"), Levels::new(1, 0, 0));
}

#[test]
fn whoever_canceled_gets_the_money_back() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Declined);
    desk.bench.ok(CancelOrder { order, caller: Caller::Staff });
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    let found = desk.order(order);
    assert_eq!((found.status, found.refunding()), (Status::Canceled, 1998));
}

/// An order that was canceled after its second payment was authorised; the void of that one is under way when it turns
/// out that the first, declined, payment was taken.
fn taken_during_a_void(active_version: u32) -> (Desk, OrderId, PaymentId) {
    let mut desk = Desk::new();
    desk.bench.active_version = active_version;
    let (order, first) = declined_and_tried_again(&mut desk);
    let second = PaymentId::of(order, 2);
    desk.send(second, Operation::Authorize, 1);
    desk.see(second, PaymentStatus::Authorized);
    desk.bench.ok(CancelOrder { order, caller: Caller::Staff });
    assert_eq!(desk.order(order).status, Status::Canceled);
    desk.send(second, Operation::Void, 2);
    desk.see_by(first, PaymentStatus::Captured, Source::Webhook);
    (desk, order, second)
}

#[test]
fn money_of_a_canceled_order_waits_for_no_void() {
    let (mut desk, order, second) = taken_during_a_void(5);
    let found = desk.order(order);
    assert_eq!((found.captured(), found.refunding(), found.refunds.len()), (1998, 1998, 1));
    desk.see(second, PaymentStatus::Canceled);
    let found = desk.order(order);
    assert_eq!((found.captured(), found.refunding(), found.refunds.len()), (1998, 1998, 1));
    // The void came too late, says a webhook: that goes back as well.
    desk.see_by(second, PaymentStatus::Captured, Source::Webhook);
    let found = desk.order(order);
    assert_eq!((found.captured(), found.refunding(), found.refunds.len()), (2 * 1998, 2 * 1998, 2));
}

/// A refund that fails is told, and the staff's to repeat, whatever else is heard of the order.
#[test]
fn a_refund_that_failed_is_not_opened_again() {
    let (mut desk, order, second) = taken_during_a_void(5);
    let refund = RefundId::of(order, 1);
    desk.observe(refund_report(refund, RefundStatus::Failed, 1998), Source::Webhook);
    desk.see(second, PaymentStatus::Canceled);
    let found = desk.order(order);
    assert_eq!((found.refunding(), found.refunds.len()), (0, 1));
    let payment = found.refunds[0].payment;
    desk.bench.ok(RequestRefund { payment, amount: None });
    assert_eq!(desk.order(order).refunding(), 1998);
}

/// Staff may have given back in as many parts as they may: what follows by itself is not refused for that.
#[test]
fn an_order_with_many_refunds_can_be_canceled() {
    let at = |active_version| {
        let mut desk = Desk::new();
        desk.bench.active_version = active_version;
        let (order, payment) = ordered(&mut desk);
        desk.send(payment, Operation::Authorize, 1);
        desk.see(payment, PaymentStatus::Captured);
        for _ in 0..MAX_REFUNDS {
            desk.bench.ok(RequestRefund { payment, amount: Some(1) });
        }
        assert_eq!(desk.bench.refused(RequestRefund { payment, amount: Some(1) }).code, Code::LimitReached);
        (desk, order)
    };
    let cancel = |order| CancelOrder { order, caller: Caller::Staff };
    let (mut desk, order) = at(5);
    desk.bench.ok(cancel(order));
    let found = desk.order(order);
    assert_eq!(
        (found.status, found.refunding(), found.refunds.len()),
        (Status::Canceled, 1998, MAX_REFUNDS + 1)
    );
    let (mut desk, order) = at(4);
    assert_eq!(desk.bench.refused(cancel(order)).code, Code::LimitReached);
}

#[test]
fn below_its_level_it_waits() {
    let (mut desk, order, second) = taken_during_a_void(4);
    assert_eq!(desk.order(order).refunding(), 0);
    desk.see(second, PaymentStatus::Canceled);
    let found = desk.order(order);
    assert_eq!((found.captured(), found.refunding(), found.refunds.len()), (1998, 1998, 1));
}

#[test]
fn what_was_paid_twice_goes_back_once() {
    let mut desk = Desk::new();
    let (order, first) = declined_and_tried_again(&mut desk);
    let second = PaymentId::of(order, 2);
    desk.send(second, Operation::Authorize, 1);
    // The first one was taken after all, while the second is under way.
    desk.see_by(first, PaymentStatus::Captured, Source::Webhook);
    assert_eq!(desk.order(order).status, Status::Open);
    assert_eq!(next(&desk, order), "lookup");
    desk.see_by(second, PaymentStatus::Captured, Source::Webhook);
    let found = desk.order(order);
    assert_eq!((found.captured(), found.refunding(), found.refunds.len()), (2 * 1998, 1998, 1));
    assert_eq!(found.refunds[0].cause, RefundCause::PaidTwice);
}

#[test]
fn a_second_attempt_that_was_not_sent_is_dropped() {
    let mut desk = Desk::new();
    let (order, first) = declined_and_tried_again(&mut desk);
    desk.see_by(first, PaymentStatus::Captured, Source::Webhook);
    assert_eq!(desk.order(order).attempts[1].state, crate::payment::State::Canceled);
    assert_eq!(next(&desk, order), "nothing");
}

#[test]
fn an_order_without_a_payment_waits_for_one_and_expires() {
    let mut desk = Desk::new();
    let mut command = lines(&[("TEA-1", 1)]);
    command.payment = None;
    let order = desk.place(command);
    assert_eq!(next(&desk, order), "wait");
    desk.bench.pass_millis(31 * 60 * 1_000);
    assert_eq!(next(&desk, order), "expire");
}
