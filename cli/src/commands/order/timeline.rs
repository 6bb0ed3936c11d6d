//! An order's history: one line an event, and below it one for each mail and text message that follows from it.

use shop::order::http::TimelineStepView;

use crate::table::{Cell, Table, word_of};

pub fn steps(steps: &[TimelineStepView]) -> Table {
    let mut table = Table::new(&["INDEX", "TIME", "SEQ", "EVENT", "ACTOR", "DETAIL"]);
    for step in steps {
        for event in &step.events {
            let kind = event.kind.strip_prefix("shopnode.").unwrap_or(&event.kind);
            table.row(vec![
                Cell::number(step.index),
                Cell::time(step.at),
                Cell::number(event.seq),
                Cell::text(kind),
                Cell::text(&step.actor),
                Cell::text(detail(&event.data)),
            ]);
            // With the event's index and number, and the time of what is said of them.
            let mails = step.notifications.iter().map(|mail| {
                let became = became(&mail.status, mail.tries, mail.reason.as_deref());
                (mail.cause_seq, mail.at, format!("mail {}", mail.kind), became)
            });
            let texts = step.sms.iter().map(|text| {
                let became = became(&text.status, text.tries, text.reason.as_deref());
                (text.cause_seq, text.at, format!("sms {}", text.kind), became)
            });
            for (seq, at, what, became) in mails.chain(texts).filter(|(seq, ..)| *seq == event.seq) {
                table.row(vec![
                    Cell::number(step.index),
                    Cell::time(at),
                    Cell::number(seq),
                    Cell::text(what),
                    Cell::text("worker"),
                    Cell::text(became),
                ]);
            }
        }
    }
    table
}

/// `sent`, `pending tries=2`, `failed tries=12 reason=…`.
fn became(status: &impl serde::Serialize, tries: u32, reason: Option<&str>) -> String {
    let mut words = vec![word_of(status)];
    if tries > 1 {
        words.push(format!("tries={tries}"));
    }
    words.extend(reason.map(|reason| format!("reason={reason}")));
    words.join(" ")
}

/// The members of an event's data that are not already said by the order itself: `amount=9.99 EUR status=paid`. Of a
/// movement of stock only what changed: `held=+2 sku=TEA-1`; `shopctl stock movements` tells the rest.
fn detail(data: &serde_json::Value) -> String {
    let Some(members) = data.as_object() else { return String::new() };
    let change = members.get("change").and_then(serde_json::Value::as_object);
    let mut words: Vec<String> = Vec::new();
    for (name, value) in change.into_iter().flatten() {
        if let Some(by) = value.as_i64().filter(|by| *by != 0) {
            words.push(format!("{name}={by:+}"));
        }
    }
    let of_stock = |name: &str| matches!(name, "change" | "after" | "previous" | "location_id");
    let said = |name: &str| matches!(name, "order_id" | "number") || (change.is_some() && of_stock(name));
    let rest = members.iter().filter(|(name, value)| !said(name) && !value.is_null());
    words.extend(rest.map(|(name, value)| format!("{name}={}", value_text(value))));
    words.join(" ")
}

fn value_text(value: &serde_json::Value) -> String {
    if let Ok(money) = serde_json::from_value(value.clone()) {
        return crate::table::format_money(money);
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::detail;

    #[test]
    fn detail_says_what_the_order_does_not() {
        let data = json!({"order_id": "ord_1", "number": 7, "total": {"amount": 999, "currency": "EUR"}, "lines": 2, "customer_id": null});
        assert_eq!(detail(&data), "lines=2 total=9.99 EUR");
        assert_eq!(detail(&json!("text")), "");
        let data = json!({"sku": "TEA-1", "location_id": "loc_1", "previous": 7, "reason": "committed",
            "change": {"held": -2, "committed": 2, "on_hand": 0}, "after": {"held": 0, "committed": 2, "on_hand": 9}});
        assert_eq!(detail(&data), "committed=+2 held=-2 reason=committed sku=TEA-1");
    }
}
