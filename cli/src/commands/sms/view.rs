//! Text messages as tables.

use shop::sms::http::SmsView;

use crate::table::{Cell, Table};

/// One line a text message.
pub fn list(texts: &[SmsView]) -> Table {
    let mut table = Table::new(&["SEQ", "STATUS", "KIND", "ORDER", "TRIES", "CREATED", "AT", "REASON"]);
    for text in texts {
        table.row(vec![
            Cell::number(text.cause_seq),
            Cell::word(&text.status),
            Cell::text(&text.kind),
            Cell::of(text.order_id),
            Cell::number(text.tries),
            Cell::time(text.created_at),
            Cell::time(text.at),
            Cell::maybe(text.reason.as_ref()),
        ]);
    }
    table
}
