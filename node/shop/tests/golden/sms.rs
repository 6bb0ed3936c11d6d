use shop::Timestamp;
use shop::broker::Fence;
use shop::ids::OrderId;
use shop::sms::{
    BeginMessages, Command, Ended, EnqueueMessages, Event, Finding, Item, Kind, Message, Outcome,
    ReportMessages, RetryMessage, State, TrimMessages,
};

use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const LATER: Timestamp = Timestamp::from_millis(1_795_359_605_500);
const ORDER: OrderId = OrderId([1; 16]);
const KIND: Kind = Kind::Shipped(3);
const SEQ: u64 = 70_000;

fn fence() -> Fence {
    Fence { queue: "sms".into(), epoch: 4 }
}

fn reason() -> String {
    "21211".into()
}

#[test]
fn sms() {
    let item = Item { seq: SEQ, kind: KIND, order: ORDER };
    let message =
        |state| Message { kind: KIND, order: OrderId(sixteen(1)), created_at: AT, tries: 300, state };
    let ended = |finding| Ended { seq: SEQ, attempt: 300, finding };
    let results = vec![ended(Finding::Sent), ended(Finding::NotAccepted { at: AT })];
    let told = shop::Event::Sms;
    let sending = State::Sending { attempt: 300, since: AT, look_up_at: LATER, look_ups: 2 };
    let golden = vec![
        command(EnqueueMessages { fence: fence(), up_to: SEQ, items: vec![item] }),
        command(BeginMessages { fence: fence(), seqs: vec![SEQ, 1] }),
        command(ReportMessages { fence: fence(), results }),
        command(RetryMessage { seq: SEQ }),
        command(TrimMessages { fence: fence(), seqs: vec![SEQ, 1], ended_before: AT }),
        event(told(Event::Sent { order: ORDER, kind: KIND, seq: SEQ })),
        event(told(Event::Failed { order: ORDER, kind: KIND, seq: SEQ, reason: reason() })),
        event(told(Event::Retried { order: ORDER, kind: KIND, seq: SEQ })),
        part("outcome sms begun", &shop::Outcome::Sms(Outcome::Begun { attempt: 300, seqs: vec![SEQ, 1] })),
        part("sms kind shipped", &KIND),
        part("finding sent", &Finding::Sent),
        part("finding refused", &Finding::Refused { reason: reason() }),
        part("finding not accepted", &Finding::NotAccepted { at: AT }),
        part("finding not found", &Finding::NotFound),
        part("finding no answer", &Finding::NoAnswer),
        value("Message pending", &message(State::Pending { since: AT, next_at: LATER })),
        value("Message sending", &message(sending)),
        value("Message sent", &message(State::Sent { at: AT })),
        value("Message failed", &message(State::Failed { at: AT, reason: reason() })),
    ];
    check("sms", Command::NAMES, golden);
}
