//! Webhooks before the answer, twice, and in any order; objects that nobody knows.

use proptest::prelude::{Just, Strategy, prop_oneof, proptest};

use super::{ordered, state};
use crate::codes::Code;
use crate::ids::{OrderId, PaymentId};
use crate::order::Status;
use crate::order::testing::{Desk, card, fence, report};
use crate::payment::transition::merge;
use crate::payment::{
    CaptureMode, MarkSending, Mismatch, OpenAttempt, Operation, Outcome, PaymentReport, PaymentStatus,
    Report, ResolveUnmatched, Source, State, queries,
};

#[test]
fn a_webhook_before_the_answer_or_twice_is_one_observation() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    let before = desk.bench.store.digest();
    assert_eq!(desk.see(payment, PaymentStatus::Captured), Outcome::NothingNew);
    assert_eq!(desk.see_by(payment, PaymentStatus::Captured, Source::Webhook), Outcome::NothingNew);
    assert_eq!(desk.see_by(payment, PaymentStatus::RequiresAction, Source::Webhook), Outcome::NothingNew);
    assert_eq!(desk.bench.store.digest(), before);
    assert_eq!(desk.order(order).captured(), 1998);
}

#[test]
fn a_second_attempt_waits_for_the_first() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let again = || OpenAttempt {
        order,
        caller: crate::actor::Caller::Shopper(None),
        choice: card(CaptureMode::Automatic),
    };
    let refused = desk.bench.refused(again());
    assert_eq!(refused.code, Code::PaymentInProgress);
    assert!(refused.detail.contains(&payment.to_string()));
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Declined);
    desk.bench.ok(again());
    assert_eq!(desk.order(order).attempts.len(), 2);
    assert_eq!(desk.order(order).attempts[0].failure.as_deref(), Some("card_declined"));
}

#[test]
fn what_no_order_claims_is_quarantined_once() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    let genuine = desk.payment_report(payment, PaymentStatus::Captured);
    let nowhere = PaymentId::of(OrderId([7; 16]), 1);
    let of = |change: &dyn Fn(&mut PaymentReport)| {
        let mut report = genuine.clone();
        change(&mut report);
        Report::Payment(report)
    };
    let strangers = [
        (Mismatch::Unclaimed, of(&|report| report.payment = None)),
        (Mismatch::NoSuchPayment, of(&|report| report.payment = Some(nowhere))),
        (Mismatch::NoSuchPayment, of(&|report| report.payment = Some(PaymentId::of(order, 9)))),
        (Mismatch::OtherAmount, of(&|report| report.amount.amount += 1)),
        (Mismatch::OtherAmount, of(&|report| report.captured += 1)),
    ];
    for (position, (why, report)) in strangers.into_iter().enumerate() {
        let Report::Payment(mut report) = report else { unreachable!() };
        report.object = format!("stranger_{position}");
        for _ in 0..2 {
            desk.observe(Report::Payment(report.clone()), Source::Webhook);
        }
        let found = queries::unmatched(&desk.bench.view(), None, 100).unwrap().items;
        let (_, unmatched) = found.iter().find(|(_, found)| found.object == report.object).unwrap();
        assert_eq!((unmatched.why, unmatched.seen), (why, 2));
    }
    assert_eq!(state(&desk, payment), State::Created);
    let told = desk.bench.event_kinds().iter().filter(|kind| kind.contains("unmatched")).count();
    assert_eq!(told, 5);

    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    let mut second = genuine;
    second.object = "another_object".into();
    let outcome = desk.observe(Report::Payment(second), Source::Webhook);
    let Outcome::Quarantined(id) = outcome else { panic!("{outcome:?}") };
    desk.bench.ok(ResolveUnmatched { unmatched: id });
    assert_eq!(desk.bench.refused(ResolveUnmatched { unmatched: id }).code, Code::NotFound);
}

#[test]
fn a_report_heals_what_was_never_sent() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.see_by(payment, PaymentStatus::RequiresAction, Source::Webhook);
    assert_eq!(state(&desk, payment), State::RequiresAction);
    desk.see_by(payment, PaymentStatus::Captured, Source::Webhook);
    assert_eq!(desk.order(order).status, Status::Open);
}

#[test]
fn only_the_next_call_may_be_sent_and_only_by_the_lease_s_holder() {
    let mut desk = Desk::new();
    let (_, payment) = ordered(&mut desk);
    let call = |operation, sequence| crate::payment::Call { payment, operation, sequence };
    let send = |operation, sequence| MarkSending { fence: fence(), call: call(operation, sequence) };
    for command in [send(Operation::Capture, 1), send(Operation::Authorize, 2), send(Operation::Refund, 1)] {
        assert_eq!(desk.bench.refused(command).code, Code::Conflict);
    }
    let stale = MarkSending {
        fence: crate::broker::Fence { epoch: 7, ..fence() },
        call: call(Operation::Authorize, 1),
    };
    assert_eq!(desk.bench.refused(stale).code, Code::StaleEpoch);
    desk.send(payment, Operation::Authorize, 1);
}

#[test]
fn an_authorisation_that_contradicts_a_decline_waits_for_people() {
    let mut desk = Desk::new();
    let (order, payment) = ordered(&mut desk);
    desk.send(payment, Operation::Authorize, 1);
    desk.see(payment, PaymentStatus::Declined);
    let choice = card(CaptureMode::Automatic);
    desk.bench.ok(OpenAttempt { order, caller: crate::actor::Caller::Staff, choice });
    let outcome = desk.observe(report(payment, PaymentStatus::Authorized, 1998), Source::Webhook);
    assert!(matches!(outcome, Outcome::Quarantined(_)), "{outcome:?}");
}

fn any_status() -> impl Strategy<Value = PaymentStatus> {
    prop_oneof![
        Just(PaymentStatus::Processing),
        Just(PaymentStatus::RequiresAction),
        Just(PaymentStatus::Declined),
        Just(PaymentStatus::Authorized),
        Just(PaymentStatus::Canceled),
        Just(PaymentStatus::Captured),
    ]
}

proptest! {
    /// What was taken and what was let go does not depend on the order or the number of the reports.
    #[test]
    fn the_order_of_reports_does_not_matter(
        reports in proptest::collection::vec(any_status(), 1..8).prop_shuffle(),
        seed in proptest::collection::vec(0usize..8, 0..8),
    ) {
        let run = |reports: &[PaymentStatus]| {
            reports.iter().fold(State::Sending, |state, seen| merge(state, *seen, false).unwrap_or(state))
        };
        let mut other: Vec<PaymentStatus> = reports.iter().rev().copied().collect();
        other.extend(seed.iter().filter_map(|position| reports.get(*position)));
        // Voided and canceled differ only in whether the authorisation was ever seen.
        let fate = |state| if state == State::Voided { State::Canceled } else { state };
        proptest::prop_assert_eq!(fate(run(&reports)), fate(run(&other)));
    }
}
