//! Backups as a table.

use shop::broker::http::BackupView;

use crate::table::{Cell, Table, Tone};

/// One line a backup.
pub fn list(backups: &[BackupView]) -> Table {
    let mut table = Table::new(&["NAME", "NODE", "MADE", "INDEX", "RECORDS", "BYTES", "DIGEST", "SHOPNODE"]);
    for backup in backups {
        let (name, node, bytes) =
            (Cell::text(&backup.name), Cell::number(backup.node), Cell::number(backup.bytes));
        table.row(match &backup.manifest {
            Some(manifest) => vec![
                name,
                node,
                Cell::text(&manifest.created_at),
                Cell::number(manifest.index),
                Cell::number(manifest.records),
                bytes,
                Cell::text(&manifest.digest),
                Cell::text(&manifest.shopnode),
            ],
            None => {
                let unreadable = Cell::text("unreadable").tone(Tone::Bad);
                let nothing = || Cell::text("-");
                vec![name, node, unreadable, nothing(), nothing(), bytes, nothing(), nothing()]
            }
        });
    }
    table
}
