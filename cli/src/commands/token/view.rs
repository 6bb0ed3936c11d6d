//! Join tokens as tables.

use shop::cluster::TokenState;
use shop::cluster::http::{JoinTokenCreated, JoinTokenView};

use crate::table::{Cell, Table, format_time};

/// One line a token.
pub fn list(tokens: &[JoinTokenView]) -> Table {
    let mut table = Table::new(&["ID", "STATE", "NODE", "CREATED", "EXPIRES"]);
    for token in tokens {
        table.row(vec![
            Cell::of(token.id),
            state(token.state),
            Cell::maybe(token.node.map(|node| node.to_string())),
            Cell::time(token.created_at),
            Cell::text(format_time(token.expires_at)),
        ]);
    }
    table
}

fn state(state: TokenState) -> Cell {
    Cell::state(match state {
        TokenState::Open => "open",
        TokenState::Used => "used",
        TokenState::Revoked => "revoked",
        TokenState::Expired => "expired",
    })
}

/// What is shown once.
pub fn created(token: &JoinTokenCreated) -> Vec<Table> {
    vec![Table::details([
        ("id", Cell::of(token.id)),
        ("token", Cell::text(&token.token)),
        ("expires", Cell::text(format_time(token.expires_at))),
        ("use", Cell::text("shopnode join HOST:PORT --data DIR --token TOKEN")),
    ])]
}
