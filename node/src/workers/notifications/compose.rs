//! One notification as a mail: the same bytes for the same notification.

use shop::broker::settings;
use shop::notification::{Kind, Notification};
use shop::order::{Order, Orders};
use storage::{Fault, Read, View};

use crate::effects::mail::templates::{Address, Line, Occasion, OrderMail, Tracking, render};
use crate::effects::mail::{Mail, message_id};

/// The mail, or `None` if there is nobody to send it to: the order's personal data was erased.
pub fn mail(
    view: &View<'_>,
    seq: u64,
    notification: &Notification,
    domain: &str,
) -> Result<Option<Mail>, Fault> {
    let Some(order) = view.get::<Orders>(&notification.order)? else { return Ok(None) };
    let Some(personal) = order.personal.as_ref().map(|personal| personal.reveal()) else { return Ok(None) };
    let Some(occasion) = occasion(&order, notification.kind) else { return Ok(None) };
    let address = personal.shipping_address.as_ref().map(|address| Address {
        name: address.name.clone(),
        line1: address.line1.clone(),
        line2: address.line2.clone(),
        city: address.city.clone(),
        region: address.region.clone(),
        postal_code: address.postal_code.clone().unwrap_or_default(),
        country: address.country.clone(),
    });
    let content = render(&OrderMail {
        occasion,
        shop_name: settings(view)?.store_name,
        order_number: order.number.to_string(),
        currency: order.currency,
        lines: order.lines.iter().map(line).collect(),
        subtotal_minor: order.totals.subtotal,
        discount_minor: order.totals.discount,
        shipping_minor: order.totals.shipping,
        tax_minor: order.totals.tax,
        total_minor: order.totals.total,
        address,
    });
    Ok(Some(Mail {
        to: personal.email.clone(),
        message_id: message_id(&format!("{}.{seq}", notification.order), domain),
        date_s: notification.created_at.millis() / 1_000,
        content,
    }))
}

fn line(line: &shop::order::Line) -> Line {
    let title = if line.options.is_empty() {
        line.title.clone()
    } else {
        format!("{} ({})", line.title, line.options)
    };
    Line { title, sku: line.sku.to_string(), quantity: u64::from(line.quantity), total_minor: line.subtotal }
}

fn occasion(order: &Order, kind: Kind) -> Option<Occasion> {
    let position = |ordinal: u8| usize::from(ordinal).checked_sub(1);
    Some(match kind {
        Kind::Confirmed => Occasion::Confirmed,
        Kind::Shipped(ordinal) => {
            let fulfilment = order.fulfilments.get(position(ordinal)?)?;
            let tracking = fulfilment.tracking.as_ref().map(|tracking| Tracking {
                carrier: tracking.carrier.clone(),
                number: tracking.number.clone(),
                url: tracking.url.clone(),
            });
            Occasion::Shipped { tracking }
        }
        Kind::Refunded(ordinal) => {
            Occasion::Refunded { amount_minor: order.refunds.get(position(ordinal)?)?.amount }
        }
    })
}
