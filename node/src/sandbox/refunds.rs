//! Giving money back, at once or later, or failing to.
//!
//! Source: <https://docs.stripe.com/refunds>.

use std::time::Duration;

use axum::http::StatusCode;

use super::charge::{Executed, Manner, Scene, charge_of};
use super::control::{MAX_DELAY_MS, Outcome};
use super::form::Form;
use super::ledger::{Kind, Origin};
use super::objects;
use super::refusal::Refusal;
use super::store::{App, IntentStatus, MAX_REFUNDS, Refund, RefundStatus, Store};
use super::webhooks::Notice;

pub(super) fn create(store: &mut Store, mut form: Form, scene: Scene<'_>) -> Result<Executed, Refusal> {
    let intent_id = form
        .take("payment_intent")
        .ok_or_else(|| Refusal::parameter("payment_intent", "parameter_missing"))?;
    let amount = form.take_i64("amount")?;
    let metadata = form.take_metadata()?;
    form.take("reason");
    form.finish()?;
    let intent = store.intent(&intent_id)?;
    let charge = intent.charge.as_ref().filter(|_| intent.status == IntentStatus::Succeeded);
    let charge = charge.ok_or_else(|| {
        Refusal::invalid("charge_not_refundable", "This payment has no captured charge to refund.")
    })?;
    let left = charge.captured - charge.refunded;
    let amount = amount.unwrap_or(left);
    if amount < 1 {
        return Err(match left {
            0 => Refusal::invalid("charge_already_refunded", "The charge has already been refunded."),
            _ => Refusal::parameter("amount", "parameter_invalid_integer"),
        });
    }
    if amount > left {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
        return Err(Refusal::invalid("amount_too_large", &message));
    }
    if store.refunds.len() >= MAX_REFUNDS {
        return Err(Refusal::full());
    }
    let (charge, currency) = (charge.id.clone(), intent.currency.clone());
    let id = store.fresh_id("re");
    let refund = Refund {
        id: id.clone(),
        intent: intent_id.clone(),
        charge,
        amount,
        currency,
        status: RefundStatus::Pending,
        metadata,
        created_s: scene.now_s,
    };
    if let Some(charge) = store.intents.get_mut(&intent_id).and_then(|intent| intent.charge.as_mut()) {
        charge.refunded += amount;
        charge.refunds.push(id.clone());
    }
    store.refunds.insert(id.clone(), refund);
    let settings = store.settings.refunds;
    let mut notices = Vec::new();
    if settings.settle_after_ms.is_some() {
        note(store, &id, Kind::RefundPending, scene.origin());
    } else {
        change(store, &id, settings.outcome, scene.origin());
    }
    notices.extend(refund_notice(store, &id, "refund.created"));
    notices.extend(charge_notice(store, &intent_id));
    let body = store.refunds.get(&id).map(objects::refund).unwrap_or_default();
    Ok(Executed { status: StatusCode::OK, body, notices, manner: Manner::AtOnce })
}

/// Settles a refund after the configured time, if it is still pending then.
pub(super) async fn settle_later(app: App, id: String) {
    let settings = app.store().settings.refunds;
    let Some(after_ms) = settings.settle_after_ms else { return };
    tokio::time::sleep(Duration::from_millis(after_ms.min(MAX_DELAY_MS))).await;
    let outcome = app.store().settings.refunds.outcome;
    settle(&app, &id, outcome);
}

/// Settles all that are pending.
pub(super) fn settle_all(app: &App, outcome: Outcome) {
    let pending: Vec<String> = {
        let store = app.store();
        let pending = store.refunds.values().filter(|refund| refund.status == RefundStatus::Pending);
        pending.map(|refund| refund.id.clone()).collect()
    };
    for id in pending {
        settle(app, &id, outcome);
    }
}

fn settle(app: &App, id: &str, outcome: Outcome) {
    let mut notices = Vec::new();
    let now_s = app.now_s();
    {
        let mut store = app.store();
        if store.refunds.get(id).is_none_or(|refund| refund.status != RefundStatus::Pending) {
            return;
        }
        change(&mut store, id, outcome, Origin { idempotency_key: None, now_s });
        let kind = match outcome {
            Outcome::Succeeded => "refund.updated",
            Outcome::Failed => "refund.failed",
        };
        notices.extend(refund_notice(&store, id, kind));
    }
    app.announce(notices);
}

fn change(store: &mut Store, id: &str, outcome: Outcome, origin: Origin<'_>) {
    let Some(refund) = store.refunds.get_mut(id) else { return };
    let (intent, amount) = (refund.intent.clone(), refund.amount);
    match outcome {
        Outcome::Succeeded => refund.status = RefundStatus::Succeeded,
        Outcome::Failed => {
            refund.status = RefundStatus::Failed;
            if let Some(charge) = store.intents.get_mut(&intent).and_then(|intent| intent.charge.as_mut()) {
                charge.refunded -= amount;
            }
        }
    }
    let kind = match outcome {
        Outcome::Succeeded => Kind::Refund,
        Outcome::Failed => Kind::RefundFailed,
    };
    note(store, id, kind, origin);
}

fn note(store: &mut Store, id: &str, kind: Kind, origin: Origin<'_>) {
    if let Some(refund) = store.refunds.get(id) {
        store.ledger.refund(kind, refund, origin);
    }
}

fn refund_notice(store: &Store, id: &str, kind: &'static str) -> Option<Notice> {
    store.refunds.get(id).map(|refund| Notice { kind, object: objects::refund(refund) })
}

fn charge_notice(store: &Store, intent_id: &str) -> Option<Notice> {
    let intent = store.intents.get(intent_id)?;
    Some(Notice { kind: "charge.refunded", object: charge_of(store, intent) })
}
