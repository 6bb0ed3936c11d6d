//! Notifications as tables.

use shop::notification::http::NotificationView;

use crate::table::{Cell, Table};

/// One line a notification.
pub fn list(notifications: &[NotificationView]) -> Table {
    let mut table = Table::new(&["SEQ", "STATUS", "KIND", "ORDER", "TRIES", "CREATED", "AT", "REASON"]);
    for notification in notifications {
        table.row(vec![
            Cell::number(notification.cause_seq),
            Cell::word(&notification.status),
            Cell::text(&notification.kind),
            Cell::of(notification.order_id),
            Cell::number(notification.tries),
            Cell::time(notification.created_at),
            Cell::time(notification.at),
            Cell::maybe(notification.reason.as_ref()),
        ]);
    }
    table
}
