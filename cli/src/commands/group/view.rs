//! Consumer groups as tables.

use shop::broker::http::GroupView;

use crate::table::{Cell, Table};

/// One line a group. The lag is that of the partition that is furthest behind.
pub fn list(groups: &[GroupView]) -> Table {
    let mut table = Table::new(&["GROUP", "MEMBERS", "EPOCH", "LAG", "CHANGED"]);
    for group in groups {
        table.row(vec![
            Cell::text(&group.name),
            Cell::number(group.members.len()),
            Cell::number(group.epoch),
            Cell::maybe(group.positions.iter().map(|at| at.lag).max()),
            Cell::time(group.updated_at),
        ]);
    }
    table
}

/// A group, and one line for each partition that it has committed.
pub fn one(group: &GroupView) -> Vec<Table> {
    let members = (!group.members.is_empty()).then(|| group.members.join(", "));
    let details = Table::details([
        ("group", Cell::text(&group.name)),
        ("members", Cell::maybe(members)),
        ("epoch", Cell::number(group.epoch)),
        ("created", Cell::time(group.created_at)),
        ("changed", Cell::time(group.updated_at)),
    ]);
    let mut positions = Table::new(&["TOPIC", "PARTITION", "MEMBER", "SEQ", "LAG", "COMMITTED"]);
    for at in &group.positions {
        positions.row(vec![
            Cell::text(&at.topic),
            Cell::number(at.partition),
            Cell::maybe(at.member.as_ref()),
            Cell::number(at.seq),
            Cell::number(at.lag),
            Cell::time(at.updated_at),
        ]);
    }
    vec![details, positions]
}
