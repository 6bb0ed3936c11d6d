//! Charging a card: the one place where a payment's money moves for the first time.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::ledger::{Kind, Origin};
use super::method::Method;
use super::objects;
use super::store::{CardError, Charge, Intent, IntentStatus, Store};
use super::webhooks::Notice;

/// What a request brings along.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub base_url: &'a str,
    pub now_s: i64,
    pub idempotency_key: Option<&'a str>,
    /// Whether the answer shows the charge as an object.
    pub expand: bool,
    /// A fault wants the card refused.
    pub decline: bool,
}

impl<'a> Scene<'a> {
    pub(super) fn origin(&self) -> Origin<'a> {
        Origin { idempotency_key: self.idempotency_key, now_s: self.now_s }
    }
}

/// A request that was carried out: its answer, its webhooks, and how the answer goes out.
pub(super) struct Executed {
    pub status: StatusCode,
    pub body: Value,
    pub notices: Vec<Notice>,
    pub manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    AtOnce,
    Late,
    Never,
}

impl Executed {
    /// An answer with the payment as it is now.
    pub(super) fn with_intent(store: &Store, id: &str, scene: Scene<'_>, notices: Vec<Notice>) -> Executed {
        let body = render(store, id, scene.base_url, scene.expand);
        Executed { status: StatusCode::OK, body, notices, manner: Manner::AtOnce }
    }
}

/// The payment as JSON; null if there is none.
pub(super) fn render(store: &Store, id: &str, base_url: &str, expand: bool) -> Value {
    store.intents.get(id).map_or(Value::Null, |intent| objects::intent(store, intent, base_url, expand))
}

const REFUSED: CardError = CardError {
    code: "card_declined",
    decline_code: Some("generic_decline"),
    message: "Your card was declined.",
};

pub(super) const NOT_AUTHENTICATED: CardError = CardError {
    code: "payment_intent_authentication_failure",
    decline_code: None,
    message: "The provided payment method has failed authentication.",
};

/// Confirms a payment: asks its card for the money.
pub(super) fn confirm(store: &mut Store, id: &str, scene: Scene<'_>) -> Executed {
    let method = store.intents.get(id).and_then(|intent| intent.method);
    match method {
        _ if scene.decline => decline(store, id, REFUSED, scene),
        None | Some(Method::Declined) => decline(store, id, REFUSED, scene),
        Some(Method::ThreeDs) => {
            if let Some(intent) = store.intents.get_mut(id) {
                intent.status = IntentStatus::RequiresAction;
                intent.error = None;
            }
            let notices = vec![notice(store, id, "payment_intent.requires_action", scene.base_url)];
            Executed::with_intent(store, id, scene, notices)
        }
        Some(method) => {
            let mut executed = pay(store, id, scene);
            executed.manner = match method {
                Method::Slow => Manner::Late,
                Method::DropResponse => Manner::Never,
                _ => Manner::AtOnce,
            };
            executed
        }
    }
}

/// Takes or reserves the money.
pub(super) fn pay(store: &mut Store, id: &str, scene: Scene<'_>) -> Executed {
    let charge_id = store.fresh_id("ch");
    let mut kind = "payment_intent.succeeded";
    if let Some(intent) = store.intents.get_mut(id) {
        let captured = if intent.manual_capture { 0 } else { intent.amount };
        intent.error = None;
        intent.charge = Some(new_charge(charge_id, true, captured, scene.now_s));
        let amount = intent.amount;
        if intent.manual_capture {
            intent.status = IntentStatus::RequiresCapture;
            kind = "payment_intent.amount_capturable_updated";
            store.ledger.payment(Kind::Authorization, intent, amount, scene.origin());
        } else {
            intent.status = IntentStatus::Succeeded;
            store.ledger.payment(Kind::Charge, intent, amount, scene.origin());
        }
    }
    let notices = vec![notice(store, id, kind, scene.base_url)];
    Executed::with_intent(store, id, scene, notices)
}

/// Notes a refusal. It is an error with the payment in it.
pub(super) fn decline(store: &mut Store, id: &str, error: CardError, scene: Scene<'_>) -> Executed {
    let charge_id = store.fresh_id("ch");
    if let Some(intent) = store.intents.get_mut(id) {
        intent.status = IntentStatus::RequiresPaymentMethod;
        intent.error = Some(error.clone());
        if error.decline_code.is_some() {
            intent.charge = Some(new_charge(charge_id, false, 0, scene.now_s));
        }
        let amount = intent.amount;
        store.ledger.payment(Kind::Decline, intent, amount, scene.origin());
    }
    let notices = vec![notice(store, id, "payment_intent.payment_failed", scene.base_url)];
    let body = json!({"error": {
        "type": "card_error",
        "code": error.code,
        "decline_code": error.decline_code,
        "message": error.message,
        "payment_intent": render(store, id, scene.base_url, scene.expand),
    }});
    Executed { status: StatusCode::PAYMENT_REQUIRED, body, notices, manner: Manner::AtOnce }
}

/// A webhook that shows the payment as it is now, without its charge.
pub(super) fn notice(store: &Store, id: &str, kind: &'static str, base_url: &str) -> Notice {
    Notice { kind, object: render(store, id, base_url, false) }
}

/// The charge of a payment as JSON, for webhooks.
pub(super) fn charge_of(store: &Store, intent: &Intent) -> Value {
    intent.charge.as_ref().map_or(Value::Null, |charge| objects::charge(store, intent, charge, false))
}

fn new_charge(id: String, succeeded: bool, captured: i64, created_s: i64) -> Charge {
    Charge { id, succeeded, captured, refunded: 0, refunds: Vec::new(), created_s }
}
