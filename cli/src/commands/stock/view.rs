//! Stock as tables.

use shop::inventory::http::{MovementView, StockView};

use crate::table::{Cell, Table, Tone};

/// One line a SKU and location.
pub fn levels(levels: &[StockView]) -> Table {
    let mut table = Table::new(&["SKU", "LOCATION", "ON HAND", "HELD", "COMMITTED", "SAFETY", "AVAILABLE"]);
    for level in levels {
        let available = Cell::number(level.available);
        let tone = match level.available {
            ..=0 => Tone::Bad,
            available if available <= level.low_at => Tone::Waiting,
            _ => Tone::Plain,
        };
        table.row(vec![
            Cell::of(&level.sku),
            Cell::of(level.location_id),
            Cell::number(level.on_hand),
            Cell::number(level.held),
            Cell::number(level.committed),
            Cell::number(level.safety),
            available.tone(tone),
        ]);
    }
    table
}

/// One line a change; the changes are signed.
pub fn movements(movements: &[MovementView]) -> Table {
    let header = ["SEQ", "TIME", "REASON", "ON HAND", "HELD", "COMMITTED", "ACTOR", "ORDER", "NOTE"];
    let mut table = Table::new(&header);
    for movement in movements {
        let (change, after) = (movement.change, movement.after);
        table.row(vec![
            Cell::number(movement.seq),
            Cell::time(movement.at),
            Cell::word(&movement.reason),
            level(change.on_hand, after.on_hand),
            level(change.held, after.held),
            level(change.committed, after.committed),
            Cell::text(&movement.actor),
            Cell::maybe(movement.order_id),
            Cell::maybe(movement.note.as_ref()),
        ]);
    }
    table
}

/// `97 (-3)`: what there is, and by how much that is another number.
fn level(change: i64, after: i64) -> Cell {
    if change == 0 { Cell::number(after) } else { Cell::number(format!("{after} ({change:+})")) }
}
