//! Clients and keys as tables.

use shop::user::http::{ApiKeyCreated, ApiKeyView, ClientCreated, ClientView};

use crate::table::{Cell, Table, format_time};

/// One line a client.
pub fn list(clients: &[ClientView]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "STATE", "KEYS", "CREATED", "SCOPES"]);
    for client in clients {
        table.row(vec![
            Cell::of(client.id),
            Cell::text(&client.name),
            state(client.revoked_at.is_some()),
            Cell::number(client.keys.len()),
            Cell::time(client.created_at),
            Cell::of(client.scopes),
        ]);
    }
    table
}

/// One client and its keys.
pub fn one(client: &ClientView) -> Vec<Table> {
    let details = Table::details([
        ("id", Cell::of(client.id)),
        ("name", Cell::text(&client.name)),
        ("state", state(client.revoked_at.is_some())),
        ("scopes", Cell::of(client.scopes)),
        ("created", Cell::time(client.created_at)),
        ("revoked", Cell::maybe(client.revoked_at.map(format_time))),
    ]);
    if client.keys.is_empty() { vec![details] } else { vec![details, keys(&client.keys)] }
}

fn keys(keys: &[ApiKeyView]) -> Table {
    let mut table = Table::new(&["KEY", "NAME", "STATE", "CREATED", "EXPIRES", "SCOPES"]);
    for key in keys {
        table.row(vec![
            Cell::of(key.id),
            Cell::text(&key.name),
            state(key.revoked_at.is_some()),
            Cell::time(key.created_at),
            Cell::maybe(key.expires_at.map(format_time)),
            Cell::of(key.scopes),
        ]);
    }
    table
}

fn state(revoked: bool) -> Cell {
    Cell::state(if revoked { "revoked" } else { "active" })
}

/// What is shown once.
pub fn created(client: &ClientCreated) -> Vec<Table> {
    vec![Table::details([
        ("client_id", Cell::of(client.client_id)),
        ("client_secret", Cell::text(&client.client_secret)),
        ("name", Cell::text(&client.name)),
        ("scopes", Cell::of(client.scopes)),
    ])]
}

/// What is shown once.
pub fn key_created(key: &ApiKeyCreated) -> Vec<Table> {
    vec![Table::details([
        ("id", Cell::of(key.id)),
        ("key", Cell::text(&key.key)),
        ("name", Cell::text(&key.name)),
        ("scopes", Cell::of(key.scopes)),
        ("expires", Cell::maybe(key.expires_at.map(format_time))),
    ])]
}
