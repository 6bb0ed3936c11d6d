//! Payments and refunds as tables.

use shop::payment::http::{AttemptView, NextActionView, RefundView, UnmatchedView};

use crate::table::{Cell, Table, format_time};

/// One line an attempt.
pub fn attempts(attempts: &[AttemptView]) -> Table {
    let header = ["PAYMENT", "STATUS", "PROVIDER", "AMOUNT", "CAPTURED", "REFUNDED", "FAILURE", "CHANGED"];
    let mut table = Table::new(&header);
    for attempt in attempts {
        table.row(vec![
            Cell::of(attempt.id),
            Cell::word(&attempt.status),
            Cell::word(&attempt.provider),
            Cell::money(attempt.amount),
            Cell::money(attempt.captured),
            Cell::money(attempt.refunded),
            Cell::maybe(attempt.failure.as_ref()),
            Cell::time(attempt.updated_at),
        ]);
    }
    table
}

/// One line a refund.
pub fn refunds(refunds: &[RefundView]) -> Table {
    let mut table = Table::new(&["REFUND", "STATUS", "AMOUNT", "REASON", "PAYMENT", "FAILURE", "CHANGED"]);
    for refund in refunds {
        table.row(vec![
            Cell::of(refund.id),
            Cell::word(&refund.status),
            Cell::money(refund.amount),
            Cell::word(&refund.reason),
            Cell::of(refund.payment_id),
            Cell::maybe(refund.failure.as_ref()),
            Cell::time(refund.updated_at),
        ]);
    }
    table
}

/// One line an object that no order claims.
pub fn unmatched(objects: &[UnmatchedView]) -> Table {
    let header =
        ["ID", "PROVIDER", "PROVIDER'S ID", "WHY", "STATUS", "AMOUNT", "PAYMENT", "SEEN", "LAST SEEN"];
    let mut table = Table::new(&header);
    for object in objects {
        table.row(vec![
            Cell::of(object.id),
            Cell::word(&object.provider),
            Cell::text(&object.provider_object),
            Cell::word(&object.why),
            Cell::state(&object.status),
            Cell::money(object.amount),
            Cell::maybe(object.payment_id),
            Cell::number(object.seen),
            Cell::time(object.last_seen_at),
        ]);
    }
    table
}

/// One attempt in full.
pub fn one(attempt: &AttemptView) -> Vec<Table> {
    let next_action = attempt.next_action.as_ref().map(|action| match action {
        NextActionView::Redirect { url } => format!("the customer opens {}", url.reveal()),
        NextActionView::ProviderLibrary => "the customer goes on with the provider's library".into(),
    });
    vec![Table::details([
        ("id", Cell::of(attempt.id)),
        ("order", Cell::of(attempt.order_id)),
        ("status", Cell::word(&attempt.status)),
        ("provider", Cell::word(&attempt.provider)),
        ("method", Cell::maybe(attempt.method.as_ref())),
        ("capture", Cell::word(&attempt.capture)),
        ("amount", Cell::money(attempt.amount)),
        ("authorized", Cell::money(attempt.authorized)),
        ("captured", Cell::money(attempt.captured)),
        ("refunded", Cell::money(attempt.refunded)),
        ("failure", Cell::maybe(attempt.failure.as_ref())),
        ("next action", Cell::maybe(next_action)),
        ("act until", Cell::maybe(attempt.act_until.map(format_time))),
        ("provider's id", Cell::maybe(attempt.provider_object.as_ref())),
        ("created", Cell::time(attempt.created_at)),
        ("changed", Cell::time(attempt.updated_at)),
    ])]
}
