//! The plain text of a mail, for readers without HTML and for those who prefer it.

use super::View;

/// Characters of the column that holds what was bought.
const WIDTH: usize = 52;

pub(super) fn write(view: &View) -> String {
    let mut text = format!("{}\n\nOrder {}\n\n", view.lead, view.number);
    for line in &view.lines {
        let bought = format!("{} x {} ({})", line.quantity, line.title, line.sku);
        text.push_str(&row(&bought, &line.total));
    }
    if view.more > 0 {
        text.push_str(&format!("and {} more\n", view.more));
    }
    text.push('\n');
    for (label, amount) in &view.totals {
        text.push_str(&row(label, amount));
    }
    if !view.address.is_empty() {
        text.push_str(&format!("\nShipping address\n{}\n", view.address.join("\n")));
    }
    if let Some(tracking) = &view.tracking {
        text.push_str(&format!("\nTracking: {} {}\n", tracking.carrier, tracking.number));
        if let Some(url) = &tracking.url {
            text.push_str(&format!("{url}\n"));
        }
    }
    text.push_str(&format!("\n{}\n", view.shop));
    text
}

/// What is too long for the column stands on a line of its own.
fn row(label: &str, amount: &str) -> String {
    if label.chars().count() > WIDTH {
        format!("{label}\n{:WIDTH$}  {amount:>16}\n", "")
    } else {
        format!("{label:WIDTH$}  {amount:>16}\n")
    }
}
