//! The provider does not answer; the worker dies after the provider has charged.

use super::{next, ordered, state};
use crate::codes::Code;
use crate::order::Status;
use crate::order::testing::{Desk, fence};
use crate::payment::{
    Call, MarkSending, Operation, PaymentStatus, RESEND_MILLIS, ReportAbsent, ReportNoAnswer, Source, State,
};

#[test]
fn no_answer_means_the_same_key_again_with_longer_pauses() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    let mut pauses = Vec::new();
    for _ in 0..5 {
        desk.send(payment, Operation::Authorize, 1);
        desk.bench.ok(ReportNoAnswer { fence: fence(), call });
        assert_eq!(state(&desk, payment), State::Unknown);
        assert!(desk.order(order).is_pinned());
        let mut pause = 0;
        while next(&desk, order) == "wait" {
            desk.bench.pass_millis(500);
            pause += 500;
        }
        pauses.push(pause);
        assert_eq!(next(&desk, order), call.to_string());
    }
    assert!(pauses.is_sorted() && pauses[4] >= 4 * pauses[1], "{pauses:?}");
    let unknown = desk.bench.event_kinds().iter().filter(|kind| kind.contains("unknown")).count();
    assert_eq!(unknown, 1);

    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Captured);
    assert_eq!(desk.order(order).status, Status::Open);
}

#[test]
fn a_hold_whose_payment_is_unknown_does_not_run_out() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.bench.pass_millis(RESEND_MILLIS / 2);
    let expire = crate::order::ExpireOrder { fence: fence(), order };
    assert_eq!(desk.bench.refused(expire).code, Code::PaymentInProgress);
    assert_eq!(desk.levels("TEA-1").held, 2);
}

#[test]
fn after_a_crash_the_call_is_repeated_at_once() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    // The worker died here: the provider has charged, and nobody reported it.
    assert_eq!(next(&desk, order), format!("{payment}:authorize:1"));
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Captured);
    let captured = desk.bench.event_kinds().iter().filter(|kind| kind.contains("captured")).count();
    assert_eq!((captured, desk.order(order).captured()), (1, 1998));
}

#[test]
fn before_the_provider_forgets_the_key_sending_stops_for_good() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    desk.send(payment, Operation::Authorize, 1);
    desk.bench.ok(ReportNoAnswer { fence: fence(), call });
    desk.bench.pass_millis(RESEND_MILLIS);
    assert_eq!(next(&desk, order), "lookup");
    assert_eq!(desk.bench.refused(MarkSending { fence: fence(), call }).code, Code::Conflict);
    // It never arrived: the customer may try again, for as long as the hold lasts.
    desk.bench.ok(ReportAbsent { fence: fence(), call });
    assert_eq!(state(&desk, payment), State::Declined);
    assert_eq!(next(&desk, order), "expire");
    // If the money was taken all the same, it is not lost from sight.
    desk.see_by(payment, PaymentStatus::Captured, Source::Poll);
    assert_eq!(desk.order(order).status, Status::Open);
}

#[test]
fn an_absent_object_is_not_believed_while_the_call_is_still_repeated() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    desk.send(payment, Operation::Authorize, 1);
    desk.bench.ok(ReportNoAnswer { fence: fence(), call });
    desk.bench.pass_millis(RESEND_MILLIS / 2);
    desk.bench.ok(ReportAbsent { fence: fence(), call });
    assert_eq!(state(&desk, payment), State::Unknown);
    assert!(desk.order(order).is_pinned());
}

#[test]
fn a_look_up_without_an_answer_forgets_nothing() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let call = Call { payment, operation: Operation::Authorize, sequence: 1 };
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Processing);
    desk.bench.pass_millis(5_000);
    assert_eq!(next(&desk, order), "lookup");
    desk.bench.ok(ReportNoAnswer { fence: fence(), call });
    assert_eq!((state(&desk, payment), next(&desk, order).as_str()), (State::Sending, "wait"));
    desk.bench.pass_millis(60_000);
    assert_eq!(next(&desk, order), "lookup");
}
