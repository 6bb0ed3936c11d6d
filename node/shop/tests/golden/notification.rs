use shop::Timestamp;
use shop::broker::Fence;
use shop::ids::OrderId;
use shop::notification::{
    Command, Delivery, Enqueue, Event, IndexProgress, IndexStatuses, Item, Kind, Notification, Position,
    Report, RetryNotification, State, TrimNotifications,
};

use crate::{check, command, event, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const ORDER: OrderId = OrderId([1; 16]);
const SEQ: u64 = 70_000;

fn fence() -> Fence {
    Fence { queue: "notifications".into(), epoch: 4 }
}

fn reason() -> String {
    "550".into()
}

#[test]
fn notification() {
    let item = |seq, kind| Item { seq, kind, order: ORDER };
    let notification = |state| Notification {
        kind: Kind::Shipped(3),
        order: OrderId(sixteen(1)),
        created_at: AT,
        tries: 300,
        state,
    };
    let results = vec![
        (SEQ, Delivery::Sent),
        (SEQ + 1, Delivery::Failed { reason: reason() }),
        (SEQ + 2, Delivery::Retry { at: AT }),
    ];
    let told = shop::Event::Notification;
    let golden = vec![
        command(Enqueue { fence: fence(), up_to: SEQ, items: vec![item(SEQ, Kind::Confirmed)] }),
        command(Report { fence: fence(), results }),
        command(TrimNotifications { fence: fence(), seqs: vec![SEQ, 1], ended_before: AT }),
        command(RetryNotification { seq: SEQ }),
        command(IndexStatuses { fence: fence(), notifications: 300 }),
        event(told(Event::Sent { order: ORDER, kind: Kind::Confirmed, seq: SEQ })),
        event(told(Event::Failed { order: ORDER, kind: Kind::Refunded(2), seq: SEQ, reason: reason() })),
        event(told(Event::Retried { order: ORDER, kind: Kind::Shipped(3), seq: SEQ })),
        part("notification kind confirmed", &Kind::Confirmed),
        part("notification kind shipped", &Kind::Shipped(3)),
        part("notification kind refunded", &Kind::Refunded(2)),
        part("delivery sent", &Delivery::Sent),
        part("delivery failed", &Delivery::Failed { reason: reason() }),
        part("delivery retry", &Delivery::Retry { at: AT }),
        value("Notification pending", &notification(State::Pending { next_at: AT })),
        value("Notification sent", &notification(State::Sent { at: AT })),
        value("Notification failed", &notification(State::Failed { at: AT, reason: reason() })),
        value("Position", &Position(SEQ)),
        value("IndexProgress up_to", &IndexProgress::UpTo(SEQ)),
        value("IndexProgress complete", &IndexProgress::Complete),
    ];
    check("notification", Command::NAMES, golden);
}
