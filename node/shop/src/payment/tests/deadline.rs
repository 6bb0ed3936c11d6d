//! A payment that waits for its customer, who does not come.

use super::{next, ordered, state};
use crate::order::testing::{Desk, fence};
use crate::order::{ExpireOrder, Status};
use crate::payment::{Operation, PaymentStatus, Source, State};

const HOUR_MILLIS: u64 = 60 * 60 * 1_000;

fn waiting(desk: &mut Desk) -> (crate::ids::OrderId, crate::ids::PaymentId) {
    let (order, payment) = ordered(desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::RequiresAction);
    assert!(desk.order(order).attempts[0].next_action.is_some());
    (order, payment)
}

#[test]
fn stock_is_let_go_only_after_the_provider_has_confirmed_the_cancel() {
    let mut desk = Desk::new();
    let (order, payment) = waiting(&mut desk);
    assert_eq!(next(&desk, order), "wait");
    desk.bench.pass_millis(HOUR_MILLIS);
    assert_eq!(next(&desk, order), format!("{payment}:cancel:2"));
    desk.send(payment, Operation::Cancel, 2);
    assert_eq!((state(&desk, payment), desk.levels("TEA-1").held), (State::Canceling, 2));
    desk.see(payment, PaymentStatus::Canceled);
    assert_eq!(next(&desk, order), "expire");
    desk.bench.ok(ExpireOrder { fence: fence(), order });
    assert_eq!((desk.order(order).status, desk.levels("TEA-1").held), (Status::Expired, 0));
    assert_eq!(next(&desk, order), "nothing");
}

#[test]
fn a_customer_who_paid_in_the_last_moment_has_an_order() {
    let mut desk = Desk::new();
    let (order, payment) = waiting(&mut desk);
    desk.bench.pass_millis(HOUR_MILLIS);
    desk.send(payment, Operation::Cancel, 2);
    desk.refuse(payment, Operation::Cancel, 2);
    desk.see_by(payment, PaymentStatus::Captured, Source::Poll);
    let found = desk.order(order);
    assert_eq!((found.status, desk.levels("TEA-1").committed), (Status::Open, 2));
    assert_eq!(next(&desk, order), "nothing");
}

#[test]
fn a_waiting_payment_is_looked_up_in_case_its_webhook_is_lost() {
    let mut desk = Desk::new();
    let (order, payment) = waiting(&mut desk);
    desk.bench.pass_millis(5_000);
    assert_eq!(next(&desk, order), "lookup");
    desk.see_by(payment, PaymentStatus::RequiresAction, Source::Poll);
    assert_eq!(next(&desk, order), "wait");
}

#[test]
fn a_cancel_that_did_nothing_is_tried_again_later() {
    let mut desk = Desk::new();
    let (order, payment) = waiting(&mut desk);
    desk.bench.pass_millis(HOUR_MILLIS);
    for sequence in 2..5 {
        desk.send(payment, Operation::Cancel, sequence);
        desk.refuse(payment, Operation::Cancel, sequence);
        desk.see_by(payment, PaymentStatus::RequiresAction, Source::Poll);
        assert_eq!((state(&desk, payment), next(&desk, order).as_str()), (State::RequiresAction, "wait"));
        desk.bench.pass_millis(HOUR_MILLIS);
    }
}
