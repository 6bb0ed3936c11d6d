//! The HTML of a mail: one table, inline styles, nothing that is loaded from anywhere.

use super::View;

pub(super) fn write(view: &View) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
         <body style=\"font-family:sans-serif;color:#222\">\n<p>{lead}</p>\n<h1 style=\"font-size:1.2em\">Order {number}</h1>\n\
         <table style=\"border-collapse:collapse\">\n",
        subject = escape(&view.subject()),
        lead = escape(&view.lead),
        number = escape(&view.number),
    );
    for line in &view.lines {
        let bought = format!("{} &times; {} ({})", line.quantity, escape(&line.title), escape(&line.sku));
        html.push_str(&row(&bought, &escape(&line.total)));
    }
    if view.more > 0 {
        html.push_str(&row(&format!("and {} more", view.more), ""));
    }
    for (label, amount) in &view.totals {
        html.push_str(&row(&format!("<strong>{label}</strong>"), &escape(amount)));
    }
    html.push_str("</table>\n");
    if !view.address.is_empty() {
        let rows: Vec<String> = view.address.iter().map(|row| escape(row)).collect();
        html.push_str(&format!("<p><strong>Shipping address</strong><br>\n{}</p>\n", rows.join("<br>\n")));
    }
    if let Some(tracking) = &view.tracking {
        let parcel = format!("{} {}", escape(&tracking.carrier), escape(&tracking.number));
        let parcel = match &tracking.url {
            Some(url) => format!("<a href=\"{}\">{parcel}</a>", escape(url)),
            None => parcel,
        };
        html.push_str(&format!("<p>Tracking: {parcel}</p>\n"));
    }
    html.push_str(&format!("<p>{}</p>\n</body>\n</html>\n", escape(&view.shop)));
    html
}

fn row(label: &str, amount: &str) -> String {
    format!(
        "<tr><td style=\"padding:2px 16px 2px 0\">{label}</td>\n<td style=\"text-align:right\">{amount}</td></tr>\n"
    )
}

/// For text and for attributes in double or single quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
