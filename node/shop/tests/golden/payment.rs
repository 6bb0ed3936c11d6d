use shop::actor::Caller;
use shop::broker::Fence;
use shop::ids::{OrderId, PaymentId, RefundId, UnmatchedId};
use shop::order::{Hold, Status};
use shop::payment::{
    Answer, Attempt, Call, CaptureMode, Choice, Command, Event, IndexProgress, IndexStates, Intent, MarkPaid,
    MarkSending, Mismatch, NextAction, Observe, OpenAttempt, Operation, Outcome, PaymentReport,
    PaymentStatus, Provider, Refund, RefundCause, RefundReport, RefundState, RefundStatus, Report,
    ReportAbsent, ReportNoAnswer, ReportRefused, RequestCapture, RequestRefund, RequestVoid,
    ResolveUnmatched, Sent, Source, State, Unmatched,
};
use shop::{Currency, Money, Private, Timestamp};

use crate::order::order;
use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const ORDER: OrderId = OrderId([1; 16]);

fn payment() -> PaymentId {
    PaymentId::of(ORDER, 1)
}

fn money() -> Money {
    Money::new(1998, Currency::EUR)
}

fn fence() -> Fence {
    Fence { queue: "payments".into(), epoch: 4 }
}

fn call(operation: Operation) -> Call {
    Call { payment: payment(), operation, sequence: 300 }
}

fn sent(operation: Operation, answer: Answer) -> Sent {
    Sent { operation, sequence: 2, amount: 1998, first_at: AT, sent_at: AT, touched_at: AT, tries: 3, answer }
}

fn redirect() -> NextAction {
    NextAction::Redirect { url: Private("https://bank.example/3ds".into()) }
}

/// An attempt with one of everything.
pub fn attempt() -> Attempt {
    Attempt {
        provider: Provider::Stripe,
        method: "pm_1".into(),
        capture: CaptureMode::Manual,
        state: State::RequiresAction,
        amount: 1998,
        authorized: 1997,
        captured: 1996,
        object: Some("pi_1".into()),
        next_action: Some(redirect()),
        act_until: Some(AT),
        failure: Some("card_declined".into()),
        intent: Some(Intent::Capture(1000)),
        sent: Some(sent(Operation::Authorize, Answer::Pending)),
        sequence: 2,
        created_at: AT,
        updated_at: AT,
    }
}

/// A refund with one of everything.
pub fn refund() -> Refund {
    Refund {
        payment: payment(),
        amount: 1000,
        cause: RefundCause::Requested,
        state: RefundState::Failed,
        object: Some("re_1".into()),
        failure: Some("expired_card".into()),
        sent: Some(sent(Operation::Refund, Answer::Awaited)),
        created_at: AT,
        updated_at: AT,
    }
}

fn payment_report(status: PaymentStatus) -> Report {
    Report::Payment(PaymentReport {
        payment: Some(payment()),
        object: "pi_1".into(),
        status,
        amount: money(),
        authorized: 1998,
        captured: 1998,
        next_action: Some(NextAction::ProviderLibrary),
        failure: Some("card_declined".into()),
    })
}

fn refund_report(status: RefundStatus) -> Report {
    let refund = Some(RefundId::of(ORDER, 1));
    Report::Refund(RefundReport { refund, object: "re_1".into(), status, amount: money(), failure: None })
}

fn observe(source: Source, report: Report) -> Observe {
    Observe { fence: Some(fence()), provider: Provider::Sandbox, source, report }
}

fn events() -> Vec<Event> {
    let (order_id, payment_id, refund_id) = (ORDER, payment(), RefundId::of(ORDER, 1));
    let (amount, operation, code) = (money(), Operation::Capture, "refused".to_owned());
    vec![
        Event::Sending { order_id, payment_id, operation, sequence: 2 },
        Event::ActionRequired { order_id, payment_id },
        Event::Authorized { order_id, payment_id, amount },
        Event::Captured { order_id, payment_id, amount },
        Event::Failed { order_id, payment_id, operation, code: code.clone() },
        Event::Voided { order_id, payment_id },
        Event::Canceled { order_id, payment_id },
        Event::Unknown { order_id, payment_id },
        Event::RefundCreated { order_id, payment_id, refund_id, amount, cause: RefundCause::LateMoney },
        Event::RefundSucceeded { order_id, payment_id, refund_id, amount },
        Event::RefundFailed { order_id, payment_id, refund_id, amount, code },
        Event::Unmatched { unmatched_id: UnmatchedId(sixteen(2)), why: Mismatch::OtherObject, amount },
    ]
}

#[test]
fn payments() {
    let choice = Choice { provider: Provider::Manual, method: String::new(), capture: None };
    let unmatched = Unmatched {
        provider: Provider::Stripe,
        object: "pi_2".into(),
        why: Mismatch::OtherAmount,
        payment: Some(payment()),
        status: "captured".into(),
        amount: money(),
        first_seen_at: AT,
        last_seen_at: AT,
        seen: 2,
    };
    let answer = |outcome| shop::Outcome::Payment(outcome);
    let open = order(Status::Open, Hold::Committed);
    let mut golden = vec![
        command(OpenAttempt { order: ORDER, caller: Caller::Shopper(None), choice }),
        command(RequestCapture { payment: payment(), amount: Some(1000) }),
        command(RequestVoid { payment: payment() }),
        command(RequestRefund { payment: payment(), amount: None }),
        command(MarkPaid { order: ORDER }),
        command(ResolveUnmatched { unmatched: UnmatchedId(sixteen(2)) }),
        command(MarkSending { fence: fence(), call: call(Operation::Refund) }),
        command(observe(Source::Answer, payment_report(PaymentStatus::Captured))),
        command(ReportNoAnswer { fence: fence(), call: call(Operation::Authorize) }),
        command(ReportRefused { fence: fence(), call: call(Operation::Capture), code: "refused".into() }),
        command(ReportAbsent { fence: fence(), call: call(Operation::Cancel) }),
        command(IndexStates { fence: fence(), orders: 150 }),
        part(
            "observe a refund",
            &shop::Command::from(observe(Source::Poll, refund_report(RefundStatus::Failed))),
        ),
        part("outcome attempt", &answer(Outcome::Attempt(payment(), open.clone()))),
        part("outcome refund", &answer(Outcome::Refund(RefundId::of(ORDER, 1), open))),
        part("outcome changed", &answer(Outcome::Changed(ORDER))),
        part("outcome nothing_new", &answer(Outcome::NothingNew)),
        part("outcome quarantined", &answer(Outcome::Quarantined(UnmatchedId(sixteen(2))))),
        part("refund", &refund()),
        value("Unmatched", &unmatched),
        value("IndexProgress up_to", &IndexProgress::UpTo(ORDER)),
        value("IndexProgress complete", &IndexProgress::Complete),
        part("providers", &[Provider::Sandbox, Provider::Stripe, Provider::Manual]),
        part("captures", &[CaptureMode::Automatic, CaptureMode::Manual]),
        part("intents", &[Intent::Capture(-1), Intent::Void]),
        part("answers", &[Answer::Awaited, Answer::Missing, Answer::Refused, Answer::Pending]),
        part("sources", &[Source::Answer, Source::Webhook, Source::Poll]),
        part("refund reports", &[RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed]),
        part("next actions", &[redirect(), NextAction::ProviderLibrary]),
    ];
    golden.extend(events().into_iter().map(|told| event(shop::Event::Payment(told))));
    golden.push(part(
        "operations",
        &[Operation::Authorize, Operation::Capture, Operation::Void, Operation::Cancel, Operation::Refund],
    ));
    golden.extend(states());
    check("payment", Command::NAMES, golden);
}

/// The positions of all states.
fn states() -> Vec<crate::Golden> {
    let attempts = [
        State::Created,
        State::Sending,
        State::RequiresAction,
        State::Authorized,
        State::Capturing,
        State::Captured,
        State::Voiding,
        State::Voided,
        State::Canceling,
        State::Canceled,
        State::Declined,
        State::Unknown,
    ];
    let refunds = [
        RefundState::Created,
        RefundState::Sending,
        RefundState::Pending,
        RefundState::Succeeded,
        RefundState::Failed,
        RefundState::Unknown,
    ];
    let causes =
        [RefundCause::Requested, RefundCause::OrderCanceled, RefundCause::LateMoney, RefundCause::PaidTwice];
    let reports = [
        PaymentStatus::Processing,
        PaymentStatus::RequiresAction,
        PaymentStatus::Declined,
        PaymentStatus::Authorized,
        PaymentStatus::Canceled,
        PaymentStatus::Captured,
    ];
    let mismatches = [
        Mismatch::Unclaimed,
        Mismatch::NoSuchPayment,
        Mismatch::OtherObject,
        Mismatch::OtherAmount,
        Mismatch::Contradiction,
    ];
    vec![
        part("states", &attempts),
        part("refund states", &refunds),
        part("causes", &causes),
        part("payment reports", &reports),
        part("mismatches", &mismatches),
    ]
}
