//! Authorities as tables.

use shop::cluster::http::{AuthoritiesView, AuthorityState, AuthorityView};

use crate::table::{Cell, Table};

/// One line an authority.
pub fn list(authorities: &[AuthorityView]) -> Table {
    let mut table = Table::new(&["FINGERPRINT", "STATE", "NODES", "ADDED", "RETIRED"]);
    for authority in authorities {
        let nodes: Vec<String> = authority.nodes.iter().map(u64::to_string).collect();
        table.row(vec![
            Cell::text(&authority.fingerprint),
            Cell::state(match authority.state {
                AuthorityState::Signing => "signing",
                AuthorityState::Trusted => "trusted",
                AuthorityState::Retired => "retired",
            }),
            Cell::maybe((!nodes.is_empty()).then(|| nodes.join(", "))),
            Cell::time(authority.added_at),
            Cell::maybe(authority.retired_at.map(crate::table::format_time)),
        ]);
    }
    table
}

/// The list, and who is missing from it.
pub fn all(authorities: &AuthoritiesView) -> Vec<Table> {
    let mut tables = vec![list(&authorities.data)];
    if !authorities.silent.is_empty() {
        let silent: Vec<String> = authorities.silent.iter().map(u64::to_string).collect();
        tables.push(Table::details([("nodes that do not say", Cell::text(silent.join(", ")))]));
    }
    tables
}
