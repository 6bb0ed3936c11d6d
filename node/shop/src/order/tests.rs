//! An order's life, from placing to shipping, through commands alone.

use crate::inventory::{Levels, queries as stock};
use crate::money::Money;
use crate::order::testing::{Desk, lines, sku};
use crate::order::{FulfilOrder, FulfilmentStatus, PaymentStatus, Status, Tracking, queries};

#[test]
fn an_order_is_placed_paid_shipped_and_completed() {
    let mut desk = Desk::new();
    let order = desk.place(lines(&[("TEA-1", 2), ("POT-1", 1)]));
    let placed = desk.order(order);
    assert_eq!((placed.number, placed.status), (1001, Status::PendingPayment));
    assert_eq!(placed.total(), Money::new(2 * 999 + 4500, placed.currency));
    assert_eq!(placed.payment_status(), PaymentStatus::Processing);
    assert_eq!(desk.levels("TEA-1"), Levels::new(10, 2, 0));

    desk.pay(order);
    let paid = desk.order(order);
    assert_eq!((paid.status, paid.payment_status()), (Status::Open, PaymentStatus::Paid));
    assert_eq!(desk.levels("TEA-1"), Levels::new(10, 0, 2));

    let tracking = Some(Tracking { carrier: "DHL".into(), number: "1".into(), url: None });
    desk.bench.ok(FulfilOrder { order, lines: vec![(0, 1)], tracking });
    assert_eq!(desk.order(order).fulfilment_status(), FulfilmentStatus::Partial);
    assert_eq!(desk.levels("TEA-1"), Levels::new(9, 0, 1));
    desk.bench.ok(FulfilOrder { order, lines: Vec::new(), tracking: None });
    let shipped = desk.order(order);
    assert_eq!(
        (shipped.status, shipped.fulfilment_status()),
        (Status::Completed, FulfilmentStatus::Fulfilled)
    );
    assert_eq!(desk.levels("POT-1"), Levels::new(9, 0, 0));

    let timeline = queries::timeline(&desk.bench.view(), order, &shipped).unwrap();
    let kinds: Vec<String> = timeline
        .iter()
        .flat_map(|step| step.events.iter().map(|recorded| recorded.event.describe().kind()))
        .collect();
    let expected = [
        "hold.created",
        "hold.created",
        "order.placed",
        "payment.sending",
        "payment.captured",
        "hold.committed",
        "hold.committed",
        "order.confirmed",
        "stock.fulfilled",
        "fulfilment.shipped",
        "stock.fulfilled",
        "stock.fulfilled",
        "fulfilment.shipped",
        "order.completed",
    ];
    assert_eq!(kinds, expected.map(|kind| format!("shopnode.{kind}.v1")));
    let left = stock::availability(&desk.bench.view(), &sku("TEA-1")).unwrap().unwrap();
    assert_eq!((left.units, left.orderable), (8, true));
}
