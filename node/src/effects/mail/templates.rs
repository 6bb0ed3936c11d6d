//! What the mails about an order say: confirmed, shipped, refunded; as plain text and as simple HTML.
//!
//! Every value comes from outside and is treated so: control characters, line breaks and the marks that turn the
//! direction of text around become spaces, HTML is escaped, and only an https link is a link.

mod html;
mod text;

use shop::{Currency, Money};

/// Lines listed in a mail; the rest is counted.
const MAX_LINES: usize = 100;
/// Characters of one value. Longer ones are cut: a mail is no place for a novel in a product's title.
const MAX_VALUE_CHARS: usize = 300;

/// What happened to the order.
#[derive(Clone)]
pub enum Occasion {
    /// It is paid, or paid later by agreement, and will be fulfilled.
    Confirmed,
    /// It is on its way.
    Shipped { tracking: Option<Tracking> },
    /// Money goes back. Minor units of the order's currency.
    Refunded { amount_minor: i64 },
}

/// An order, as its mail shows it. Amounts are minor units of `currency`.
#[derive(Clone)]
pub struct OrderMail {
    pub occasion: Occasion,
    pub shop_name: String,
    pub order_number: String,
    pub currency: Currency,
    pub lines: Vec<Line>,
    pub subtotal_minor: i64,
    /// Above zero when something was taken off.
    pub discount_minor: i64,
    pub shipping_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub address: Option<Address>,
}

/// One line of the order.
#[derive(Clone)]
pub struct Line {
    pub title: String,
    pub sku: String,
    pub quantity: u64,
    /// For the whole line, before tax and shipping.
    pub total_minor: i64,
}

/// Where the order goes.
#[derive(Clone)]
pub struct Address {
    pub name: String,
    pub line1: String,
    pub line2: Option<String>,
    pub city: String,
    pub region: Option<String>,
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// How to follow the parcel.
#[derive(Clone)]
pub struct Tracking {
    pub carrier: String,
    pub number: String,
    /// Shown as a link if it is https, else left out.
    pub url: Option<String>,
}

/// A mail's content.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Writes the mail. The same order gives the same bytes.
pub fn render(mail: &OrderMail) -> Rendered {
    let view = View::of(mail);
    Rendered { subject: view.subject(), text: text::write(&view), html: html::write(&view) }
}

/// The order with every value made harmless and every amount written out.
struct View {
    shop: String,
    number: String,
    lead: String,
    lines: Vec<ViewLine>,
    /// Lines that are not shown.
    more: usize,
    /// Label and amount, the total last.
    totals: Vec<(&'static str, String)>,
    address: Vec<String>,
    tracking: Option<ViewTracking>,
    event: &'static str,
}

struct ViewLine {
    quantity: u64,
    title: String,
    sku: String,
    total: String,
}

struct ViewTracking {
    carrier: String,
    number: String,
    url: Option<String>,
}

impl View {
    fn of(mail: &OrderMail) -> View {
        let money = |minor: i64| Money::new(minor, mail.currency).to_string();
        let (event, lead) = match &mail.occasion {
            Occasion::Confirmed => ("confirmed", "Thank you for your order. We have received it.".to_owned()),
            Occasion::Shipped { .. } => ("shipped", "Your order is on its way.".to_owned()),
            Occasion::Refunded { amount_minor } => {
                ("refunded", format!("We have refunded {} to you.", money(*amount_minor)))
            }
        };
        let line = |line: &Line| ViewLine {
            quantity: line.quantity,
            title: harmless(&line.title),
            sku: harmless(&line.sku),
            total: money(line.total_minor),
        };
        let mut totals = vec![("Subtotal", money(mail.subtotal_minor))];
        if mail.discount_minor != 0 {
            totals.push(("Discount", money(mail.discount_minor.saturating_neg())));
        }
        totals.push(("Shipping", money(mail.shipping_minor)));
        totals.push(("Tax", money(mail.tax_minor)));
        totals.push(("Total", money(mail.total_minor)));
        View {
            shop: harmless(&mail.shop_name),
            number: harmless(&mail.order_number),
            lead,
            lines: mail.lines.iter().take(MAX_LINES).map(line).collect(),
            more: mail.lines.len().saturating_sub(MAX_LINES),
            totals,
            address: mail.address.as_ref().map(Address::view).unwrap_or_default(),
            tracking: match &mail.occasion {
                Occasion::Shipped { tracking } => tracking.as_ref().map(Tracking::view),
                _ => None,
            },
            event,
        }
    }

    fn subject(&self) -> String {
        format!("{}: order {} {}", self.shop, self.number, self.event)
    }
}

impl Address {
    fn view(&self) -> Vec<String> {
        let place = [Some(&self.postal_code), Some(&self.city), self.region.as_ref()];
        let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
        let rows = [
            Some(&self.name),
            Some(&self.line1),
            self.line2.as_ref(),
            Some(&place.join(" ")),
            Some(&self.country),
        ];
        rows.into_iter().flatten().map(|row| harmless(row)).filter(|row| !row.is_empty()).collect()
    }
}

impl Tracking {
    fn view(&self) -> ViewTracking {
        let link = self.url.as_ref().filter(|url| {
            url.len() <= 2048
                && url.starts_with("https://")
                && url.bytes().all(|byte| byte.is_ascii_graphic())
        });
        ViewTracking { carrier: harmless(&self.carrier), number: harmless(&self.number), url: link.cloned() }
    }
}

/// A value on one line, without anything that moves the reader's eye or the parser's place.
fn harmless(value: &str) -> String {
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let spaced: String =
        value.chars().take(MAX_VALUE_CHARS).map(|c| if moves(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
