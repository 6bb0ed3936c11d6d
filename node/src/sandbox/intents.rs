//! What clients ask of payments.
//!
//! Source: <https://docs.stripe.com/api/payment_intents>.

use shop::Currency;

use super::charge::{self, Executed, Scene, notice, render};
use super::form::Form;
use super::ledger::Kind;
use super::method::Method;
use super::refusal::Refusal;
use super::store::{Intent, IntentStatus, MAX_INTENTS, Store};

/// Eight digits, as with Stripe.
const MAX_AMOUNT: i64 = 99_999_999;
/// Parameters that change nothing here.
const TAKEN_AND_IGNORED: [&str; 6] = [
    "automatic_payment_methods[enabled]",
    "confirmation_method",
    "description",
    "off_session",
    "receipt_email",
    "return_url",
];

pub(super) fn create(store: &mut Store, mut form: Form, scene: Scene<'_>) -> Result<Executed, Refusal> {
    let amount = form.take_i64("amount")?.ok_or_else(|| Refusal::parameter("amount", "parameter_missing"))?;
    let currency =
        form.take("currency").ok_or_else(|| Refusal::parameter("currency", "parameter_missing"))?;
    let method = form.take("payment_method");
    let manual_capture = match form.take("capture_method").as_deref() {
        None | Some("automatic" | "automatic_async") => false,
        Some("manual") => true,
        Some(_) => return Err(Refusal::parameter("capture_method", "parameter_invalid")),
    };
    let confirm = form.take_bool("confirm")?.unwrap_or(false);
    let metadata = form.take_metadata()?;
    let cards_only = form.take_all("payment_method_types[]").iter().all(|kind| kind == "card");
    for name in TAKEN_AND_IGNORED {
        form.take(name);
    }
    form.finish()?;
    let known = currency.to_ascii_uppercase().parse::<Currency>().is_ok();
    if !known || currency.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Refusal::parameter("currency", "parameter_invalid"));
    }
    if amount < 1 {
        return Err(Refusal::parameter("amount", "parameter_invalid_integer"));
    }
    if amount > MAX_AMOUNT {
        return Err(Refusal::parameter("amount", "amount_too_large"));
    }
    if !cards_only {
        return Err(Refusal::parameter("payment_method_types", "parameter_invalid"));
    }
    let method = method.map(|name| known_method(&name)).transpose()?;
    if confirm && method.is_none() {
        return Err(Refusal::parameter("payment_method", "parameter_missing"));
    }
    if store.intents.len() >= MAX_INTENTS {
        return Err(Refusal::full());
    }
    let id = store.fresh_id("pi");
    let status = match method {
        Some(_) => IntentStatus::RequiresConfirmation,
        None => IntentStatus::RequiresPaymentMethod,
    };
    let intent = Intent {
        id: id.clone(),
        amount,
        currency,
        manual_capture,
        method,
        metadata,
        status,
        charge: None,
        error: None,
        created_s: scene.now_s,
    };
    store.intents.insert(id.clone(), intent);
    store.intent_order.push(id.clone());
    let created = notice(store, &id, "payment_intent.created", scene.base_url);
    if !confirm {
        return Ok(Executed::with_intent(store, &id, scene, vec![created]));
    }
    let mut executed = charge::confirm(store, &id, scene);
    executed.notices.insert(0, created);
    Ok(executed)
}

pub(super) fn confirm(
    store: &mut Store,
    id: &str,
    mut form: Form,
    scene: Scene<'_>,
) -> Result<Executed, Refusal> {
    let method = form.take("payment_method").map(|name| known_method(&name)).transpose()?;
    form.take("return_url");
    form.finish()?;
    let intent = store.intent(id)?;
    let possible = match intent.status {
        IntentStatus::RequiresConfirmation => true,
        IntentStatus::RequiresPaymentMethod => method.is_some(),
        _ => false,
    };
    if !possible {
        return Err(Refusal::unexpected_state(render(store, id, scene.base_url, scene.expand)));
    }
    let intent = store.intent_mut(id)?;
    intent.method = method.or(intent.method);
    Ok(charge::confirm(store, id, scene))
}

pub(super) fn capture(
    store: &mut Store,
    id: &str,
    mut form: Form,
    scene: Scene<'_>,
) -> Result<Executed, Refusal> {
    let amount = form.take_i64("amount_to_capture")?;
    form.finish()?;
    let intent = store.intent(id)?;
    if intent.status != IntentStatus::RequiresCapture {
        return Err(Refusal::unexpected_state(render(store, id, scene.base_url, scene.expand)));
    }
    let amount = amount.unwrap_or(intent.amount);
    if amount < 1 || amount > intent.amount {
        return Err(Refusal::parameter("amount_to_capture", "amount_too_large"));
    }
    if let Some(intent) = store.intents.get_mut(id) {
        intent.status = IntentStatus::Succeeded;
        if let Some(charge) = &mut intent.charge {
            charge.captured = amount;
        }
        store.ledger.payment(Kind::Capture, intent, amount, scene.origin());
    }
    let notices = vec![notice(store, id, "payment_intent.succeeded", scene.base_url)];
    Ok(Executed::with_intent(store, id, scene, notices))
}

pub(super) fn cancel(
    store: &mut Store,
    id: &str,
    mut form: Form,
    scene: Scene<'_>,
) -> Result<Executed, Refusal> {
    form.take("cancellation_reason");
    form.finish()?;
    let intent = store.intent(id)?;
    if matches!(intent.status, IntentStatus::Succeeded | IntentStatus::Canceled) {
        return Err(Refusal::unexpected_state(render(store, id, scene.base_url, scene.expand)));
    }
    if let Some(intent) = store.intents.get_mut(id) {
        intent.status = IntentStatus::Canceled;
        let amount = intent.amount;
        store.ledger.payment(Kind::Cancel, intent, amount, scene.origin());
    }
    let notices = vec![notice(store, id, "payment_intent.canceled", scene.base_url)];
    Ok(Executed::with_intent(store, id, scene, notices))
}

fn known_method(name: &str) -> Result<Method, Refusal> {
    Method::parse(name).ok_or_else(|| Refusal::missing("PaymentMethod", name))
}
