//! Canceling an order while its payment is somewhere.

use super::{authorized, next, ordered, state};
use crate::actor::Caller;
use crate::codes::Code;
use crate::ids::{OrderId, PaymentId, RefundId};
use crate::order::testing::{Desk, fence, refund_report};
use crate::order::{CancelOrder, FulfilOrder, PaymentStatus as OrderPaid, Status};
use crate::payment::{
    ABSENT_CERTAIN_MILLIS, Call, Operation, PaymentStatus, RefundCause, RefundState, RefundStatus,
    ReportAbsent, ReportNoAnswer, Source, State,
};

fn cancel(desk: &mut Desk, order: OrderId) {
    desk.bench.ok(CancelOrder { order, caller: Caller::Shopper(None) });
}

#[test]
fn an_unpaid_order_is_canceled_at_once() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    cancel(&mut desk, order);
    assert_eq!((desk.order(order).status, state(&desk, payment)), (Status::Canceled, State::Canceled));
    assert_eq!((desk.levels("TEA-1").held, next(&desk, order).as_str()), (0, "nothing"));
    let before = desk.bench.store.digest();
    cancel(&mut desk, order);
    assert_eq!(desk.bench.store.digest(), before);
}

#[test]
fn a_paid_order_is_canceled_and_refunded_exactly_once() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.pay(order);
    cancel(&mut desk, order);
    let found = desk.order(order);
    assert_eq!((found.status, found.refunds.len()), (Status::Canceled, 1));
    assert_eq!((found.refunds[0].amount, found.refunds[0].cause), (1998, RefundCause::OrderCanceled));
    assert_eq!(desk.levels("TEA-1").committed, 0);
    assert_eq!(next(&desk, order), format!("{payment}:refund:1"));
    cancel(&mut desk, order);
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    assert_eq!(desk.order(order).refunds.len(), 1);
    desk.send(payment, Operation::Refund, 1);
    desk.observe(refund_report(RefundId::of(order, 1), RefundStatus::Succeeded, 1998), Source::Answer);
    assert_eq!(desk.order(order).payment_status(), OrderPaid::Refunded);
    assert_eq!(next(&desk, order), "nothing");
}

#[test]
fn a_cancel_that_races_a_charge_is_remembered_and_refunded_once() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    cancel(&mut desk, order);
    let found = desk.order(order);
    assert_eq!((found.status, found.cancel_wanted), (Status::PendingPayment, true));
    assert_eq!(desk.levels("TEA-1").held, 2);
    for source in [Source::Webhook, Source::Answer, Source::Webhook] {
        desk.see_by(payment, PaymentStatus::Captured, source);
    }
    let found = desk.order(order);
    assert_eq!((found.status, found.refunds.len(), found.refunding()), (Status::Canceled, 1, 1998));
    assert_eq!(desk.levels("TEA-1").held, 0);
}

#[test]
fn a_cancel_that_races_a_capture_is_refunded_once_if_the_capture_wins() {
    let mut desk = Desk::new();
    let (order, payment) = authorized(&mut desk);
    desk.bench.ok(crate::payment::RequestCapture { payment, amount: None });
    desk.send(payment, Operation::Capture, 2);
    cancel(&mut desk, order);
    assert_eq!(desk.order(order).status, Status::Open);
    let ship = FulfilOrder { order, lines: Vec::new(), tracking: None };
    assert_eq!(desk.bench.refused(ship).code, Code::Conflict);
    desk.see(payment, PaymentStatus::Captured);
    let found = desk.order(order);
    assert_eq!((found.status, found.refunding()), (Status::Canceled, 1998));
}

#[test]
fn a_cancel_of_a_declined_payment_needs_no_refund() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    cancel(&mut desk, order);
    desk.see(payment, PaymentStatus::Declined);
    let found = desk.order(order);
    assert_eq!((found.status, found.refunds.len()), (Status::Canceled, 0));
}

#[test]
fn an_authorisation_is_voided() {
    let mut desk = Desk::new();
    let (order, payment) = authorized(&mut desk);
    cancel(&mut desk, order);
    assert_eq!(desk.order(order).status, Status::Canceled);
    assert_eq!(next(&desk, order), format!("{payment}:void:2"));
    desk.send(payment, Operation::Void, 2);
    desk.see(payment, PaymentStatus::Canceled);
    assert_eq!((state(&desk, payment), next(&desk, order).as_str()), (State::Voided, "nothing"));
}

#[test]
fn a_waiting_customer_is_canceled_at_the_provider_first() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::RequiresAction);
    cancel(&mut desk, order);
    assert_eq!(desk.levels("TEA-1").held, 2);
    assert_eq!(next(&desk, order), format!("{payment}:cancel:2"));
    desk.send(payment, Operation::Cancel, 2);
    desk.see(payment, PaymentStatus::Canceled);
    assert_eq!((desk.order(order).status, desk.levels("TEA-1").held), (Status::Canceled, 0));
}

#[test]
fn an_unwanted_payment_that_is_unknown_is_looked_up_and_never_sent_again() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    desk.send(payment, Operation::Authorize, 1);
    desk.bench.ok(ReportNoAnswer { fence: fence(), call });
    cancel(&mut desk, order);
    desk.bench.pass_millis(5_000);
    assert_eq!(next(&desk, order), "lookup");
    desk.bench.ok(ReportAbsent { fence: fence(), call });
    assert_eq!(desk.order(order).status, Status::PendingPayment);
    desk.bench.pass_millis(ABSENT_CERTAIN_MILLIS);
    desk.bench.ok(ReportAbsent { fence: fence(), call });
    assert_eq!(desk.order(order).status, Status::Canceled);
}

#[test]
fn others_cannot_cancel_it() {
    let mut desk = Desk::new();
    let (order, _) = ordered(&mut desk);
    let client = crate::ids::ClientId([9; 16]);
    let refused = desk.bench.refused(CancelOrder { order, caller: Caller::Shopper(Some(client)) });
    assert_eq!(refused.code, Code::NotFound);
    let nobody = PaymentId::of(OrderId([1; 16]), 1).order();
    assert_eq!(desk.bench.refused(CancelOrder { order: nobody, caller: Caller::Staff }).code, Code::NotFound);
}

#[test]
fn what_has_shipped_is_not_canceled() {
    let mut desk = Desk::new();
    let (order, _) = ordered(&mut desk);
    desk.pay(order);
    desk.bench.ok(FulfilOrder { order, lines: vec![(0, 1)], tracking: None });
    assert_eq!(desk.bench.refused(CancelOrder { order, caller: Caller::Staff }).code, Code::Conflict);
    assert_eq!(desk.order(order).refunds.iter().filter(|r| r.state != RefundState::Failed).count(), 0);
}
