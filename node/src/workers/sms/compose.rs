//! One text message: the same bytes whenever it is made, since a look-up finds it by them.

use shop::broker::settings;
use shop::order::{Order, Orders};
use shop::sms::{Kind, Message};
use storage::{Fault, Read, View};

use crate::effects::sms::{MAX_BODY_CHARS, Text, e164};

/// The text message, or `None` if there is nobody to send it to: the order's personal data was erased, or its address
/// has no number of a phone any more.
pub fn text(view: &View<'_>, message: &Message) -> Result<Option<Text>, Fault> {
    let Some(order) = view.get::<Orders>(&message.order)? else { return Ok(None) };
    let Some(to) = number(&order) else { return Ok(None) };
    let shop = settings(view)?.store_name;
    Ok(body(&shop, &order, message.kind).map(|body| Text { to, body }))
}

/// The number that texts about an order go to: the one at the shipping address, if it has its country.
pub fn number(order: &Order) -> Option<String> {
    let personal = order.personal.as_ref()?.reveal();
    e164(personal.shipping_address.as_ref()?.phone.as_ref()?)
}

/// No two of a shop are the same: parcels count from one within an order.
fn body(shop: &str, order: &Order, kind: Kind) -> Option<String> {
    let Kind::Shipped(ordinal) = kind;
    let fulfilment = order.fulfilments.get(usize::from(ordinal).checked_sub(1)?)?;
    let told = format!("{shop}: parcel {ordinal} of order {} is on its way.", order.number);
    let url = fulfilment.tracking.as_ref().and_then(|tracking| tracking.url.as_ref());
    let with_url = url.map(|url| format!("{told} {url}"));
    Some(with_url.filter(|text| text.chars().count() <= MAX_BODY_CHARS).unwrap_or(told))
}
