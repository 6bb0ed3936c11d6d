//! Payments, charges and refunds as Stripe's JSON.

use serde_json::{Value, json};

use super::store::{Charge, Intent, IntentStatus, Refund, Store};

/// How many refunds a charge shows of itself; the others are listed apart.
const REFUNDS_SHOWN: usize = 10;

/// A payment. The charge is an object where the request asked for it (`expand[]`), else its id.
pub(super) fn intent(store: &Store, intent: &Intent, base_url: &str, expand: bool) -> Value {
    let received = intent.charge.as_ref().map_or(0, |charge| charge.captured);
    let capturable = if intent.status == IntentStatus::RequiresCapture { intent.amount } else { 0 };
    let latest_charge = match &intent.charge {
        None => Value::Null,
        Some(it) if expand => charge(store, intent, it, true),
        Some(it) => json!(it.id),
    };
    let next_action = match intent.status {
        IntentStatus::RequiresAction => json!({
            "type": "redirect_to_url",
            "redirect_to_url": {"url": format!("{base_url}/sandbox/3ds/{}", intent.id), "return_url": null},
        }),
        _ => Value::Null,
    };
    let error = intent.error.as_ref().map(|error| {
        json!({"type": "card_error", "code": error.code, "decline_code": error.decline_code, "message": error.message})
    });
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": capturable,
        "amount_received": received,
        "capture_method": if intent.manual_capture { "manual" } else { "automatic" },
        "confirmation_method": "automatic",
        "client_secret": format!("{}_secret_sandbox", intent.id),
        "created": intent.created_s,
        "currency": intent.currency,
        "last_payment_error": error,
        "latest_charge": latest_charge,
        "livemode": false,
        "metadata": intent.metadata,
        "next_action": next_action,
        "payment_method": intent.method.map(|method| method.as_str()),
        "payment_method_types": ["card"],
        "status": intent.status.as_str(),
    })
}

/// A charge of a payment.
pub(super) fn charge(store: &Store, intent: &Intent, charge: &Charge, expand: bool) -> Value {
    let mut object = json!({
        "id": charge.id,
        "object": "charge",
        "amount": intent.amount,
        "amount_captured": charge.captured,
        "amount_refunded": charge.refunded,
        "captured": charge.captured > 0,
        "created": charge.created_s,
        "currency": intent.currency,
        "livemode": false,
        "metadata": intent.metadata,
        "paid": charge.succeeded,
        "payment_intent": intent.id,
        "refunded": charge.captured > 0 && charge.refunded == charge.captured,
        "status": if charge.succeeded { "succeeded" } else { "failed" },
    });
    if expand {
        let newest = charge.refunds.iter().rev().take(REFUNDS_SHOWN);
        let shown: Vec<Value> = newest.filter_map(|id| store.refunds.get(id)).map(refund).collect();
        object["refunds"] = list("/v1/refunds", shown, charge.refunds.len() > REFUNDS_SHOWN);
    }
    object
}

/// A refund.
pub(super) fn refund(refund: &Refund) -> Value {
    let failed = refund.status == super::store::RefundStatus::Failed;
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": refund.charge,
        "created": refund.created_s,
        "currency": refund.currency,
        "failure_reason": failed.then_some("expired_or_canceled_card"),
        "metadata": refund.metadata,
        "payment_intent": refund.intent,
        "status": refund.status.as_str(),
    })
}

/// A page of a list.
pub(super) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({"object": "list", "url": url, "data": data, "has_more": has_more})
}
