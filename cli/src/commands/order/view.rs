//! Orders as tables.

use shop::order::http::{FulfilmentView, LineView, OrderView};
use shop::user::Address;

use crate::commands::payment::view::{attempts, refunds};
use crate::table::{Cell, Table, format_time};

/// One line an order.
pub fn list(orders: &[OrderView]) -> Table {
    let header = ["NUMBER", "ID", "STATUS", "PAYMENT", "FULFILMENT", "TOTAL", "LINES", "PLACED"];
    let mut table = Table::new(&header);
    for order in orders {
        table.row(vec![
            Cell::number(order.number),
            Cell::of(order.id),
            Cell::word(&order.status),
            Cell::word(&order.payment_status),
            Cell::word(&order.fulfilment_status),
            Cell::money(order.total),
            Cell::number(order.lines.len()),
            Cell::time(order.created_at),
        ]);
    }
    table
}

/// One order in full.
pub fn one(order: &OrderView) -> Vec<Table> {
    let address = order.shipping_address.as_ref().map(|address| address_line(address.reveal()));
    let details = Table::details([
        ("number", Cell::number(order.number)),
        ("id", Cell::of(order.id)),
        ("status", Cell::word(&order.status)),
        ("payment", Cell::word(&order.payment_status)),
        ("fulfilment", Cell::word(&order.fulfilment_status)),
        ("return", Cell::word(&order.return_status)),
        ("cancel requested", Cell::text(if order.cancel_requested { "yes" } else { "no" })),
        ("subtotal", Cell::money(order.subtotal)),
        ("discount", Cell::money(order.discount)),
        ("tax", Cell::money(order.tax)),
        ("shipping", Cell::money(order.shipping)),
        ("total", Cell::money(order.total)),
        ("email", Cell::maybe(order.email.as_ref().map(|email| email.reveal()))),
        ("ship to", Cell::maybe(address)),
        ("customer", Cell::maybe(order.customer_id)),
        ("client", Cell::maybe(order.client_id)),
        ("held until", Cell::maybe(order.held_until.map(format_time))),
        ("placed", Cell::time(order.created_at)),
        ("changed", Cell::time(order.updated_at)),
    ]);
    let mut tables = vec![details, lines(&order.lines)];
    tables.push(attempts(&order.payment_attempts));
    tables.push(refunds(&order.refunds));
    tables.push(fulfilments(&order.fulfilments));
    tables.retain(|table| !table.is_empty());
    tables
}

/// What a change of an order may have changed.
pub fn changed(order: &OrderView) -> Vec<Table> {
    let mut tables = vec![list(std::slice::from_ref(order)), fulfilments(&order.fulfilments)];
    tables.retain(|table| !table.is_empty());
    tables
}

fn lines(lines: &[LineView]) -> Table {
    let mut table = Table::new(&["LINE", "SKU", "TITLE", "OPTIONS", "UNITS", "SHIPPED", "PRICE", "TOTAL"]);
    for line in lines {
        table.row(vec![
            Cell::number(line.line),
            Cell::of(&line.sku),
            Cell::text(&line.title),
            Cell::maybe(line.options.as_ref()),
            Cell::number(line.quantity),
            Cell::number(line.shipped),
            Cell::money(line.unit_price),
            Cell::money(line.total),
        ]);
    }
    table
}

fn fulfilments(fulfilments: &[FulfilmentView]) -> Table {
    let mut table = Table::new(&["SHIPMENT", "SHIPPED", "DELIVERED", "LINES", "TRACKING"]);
    for fulfilment in fulfilments {
        let lines: Vec<String> =
            fulfilment.lines.iter().map(|line| format!("{} × {}", line.quantity, line.sku)).collect();
        let tracking =
            fulfilment.tracking.as_ref().map(|tracking| format!("{} {}", tracking.carrier, tracking.number));
        table.row(vec![
            Cell::of(fulfilment.id),
            Cell::time(fulfilment.shipped_at),
            Cell::maybe(fulfilment.delivered_at.map(format_time)),
            Cell::text(lines.join(", ")),
            Cell::maybe(tracking),
        ]);
    }
    table
}

fn address_line(address: &Address) -> String {
    let code_and_city = match &address.postal_code {
        Some(code) => format!("{code} {}", address.city),
        None => address.city.clone(),
    };
    let parts = [
        Some(address.name.clone()),
        Some(address.line1.clone()),
        address.line2.clone(),
        Some(code_and_city),
        address.region.clone(),
        Some(address.country.clone()),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
