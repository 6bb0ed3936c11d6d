//! Calls about payment intents.

use std::time::Duration;

use shop::Money;
use tracing::{Instrument, Span, info_span};

use super::client::{Client, Fields, invalid, path_id};
use super::failure::{Verdict, judge, malformed};
use super::find::find;
use super::objects::{Intent, List, RefundObject, refunds_of};
use super::units::to_stripe;
use crate::effects::provider::{
    Authorize, CallError, Cancel, Capture, CaptureMode, Confirm, Find, IdempotencyKey, Observed,
    PaymentStatus, Retrieve, Source,
};

/// With every payment come its charge and the charge's refunds: one call shows all there is.
const EXPAND: (&str, &str) = ("expand[]", "latest_charge.refunds");

pub(super) async fn authorize(
    client: &Client,
    return_url: Option<&str>,
    request: &Authorize,
) -> Result<Observed, CallError> {
    let mut form: Fields = vec![
        ("amount", stripe_amount(request.amount)?),
        ("currency", request.amount.currency.as_str().to_ascii_lowercase()),
        ("payment_method", request.method.clone()),
        ("payment_method_types[]", "card".to_owned()),
        ("confirm", "true".to_owned()),
        ("metadata[attempt]", request.attempt_id.clone()),
        ("metadata[order]", request.order_id.clone()),
    ];
    let capture_method = match request.capture {
        CaptureMode::Automatic => "automatic",
        CaptureMode::Manual => "manual",
    };
    form.push(("capture_method", capture_method.to_owned()));
    if let Some(url) = return_url {
        form.push(("return_url", url.to_owned()));
    }
    let trace = request.traceparent.as_deref();
    let span = call_span("authorize", &request.key);
    match change(client, "/v1/payment_intents", form, &request.key, trace).instrument(span).await? {
        Verdict::Done(observed) => Ok(observed),
        Verdict::Declined { observed: Some(observed), .. } => Ok(*observed),
        Verdict::Declined { code, detail, observed: None } => {
            // Stripe shows the payment with the refusal; for a server that does not, it is looked up.
            match declined_payment(client, request).await {
                Some(mut observed) => {
                    observed.status = PaymentStatus::Declined { code };
                    Ok(observed)
                }
                None => Err(CallError::NotDone { code, detail, observed: None }),
            }
        }
    }
}

pub(super) async fn confirm(client: &Client, request: &Confirm) -> Result<Observed, CallError> {
    let path = format!("/v1/payment_intents/{}/confirm", path_id(&request.provider_id)?);
    let trace = request.traceparent.as_deref();
    let span = call_span("confirm", &request.key);
    refusal_shown(change(client, &path, Fields::new(), &request.key, trace).instrument(span).await?)
}

pub(super) async fn capture(client: &Client, request: &Capture) -> Result<Observed, CallError> {
    let path = format!("/v1/payment_intents/{}/capture", path_id(&request.provider_id)?);
    let mut form = Fields::new();
    if let Some(amount) = request.amount {
        form.push(("amount_to_capture", stripe_amount(amount)?));
    }
    let trace = request.traceparent.as_deref();
    let span = call_span("capture", &request.key);
    refusal_shown(change(client, &path, form, &request.key, trace).instrument(span).await?)
}

pub(super) async fn cancel(client: &Client, request: &Cancel) -> Result<Observed, CallError> {
    let path = format!("/v1/payment_intents/{}/cancel", path_id(&request.provider_id)?);
    let trace = request.traceparent.as_deref();
    let span = call_span("cancel", &request.key);
    refusal_shown(change(client, &path, Fields::new(), &request.key, trace).instrument(span).await?)
}

pub(super) async fn retrieve(client: &Client, request: &Retrieve) -> Result<Observed, CallError> {
    let id = path_id(&request.provider_id)?;
    let trace = request.traceparent.as_deref();
    let mut observed = retrieve_intent(client, id, trace).await?;
    if !observed.refunds_complete {
        let query: Fields = vec![("payment_intent", id.to_owned()), ("limit", "100".to_owned())];
        let answer = client.get("/v1/refunds", &query, trace).await?;
        let list = judge::<List<RefundObject>>(answer, &Source::Poll)?.or_not_done()?;
        observed.refunds_complete = !list.has_more;
        observed.refunds = refunds_of(list.data, &Source::Poll).map_err(|error| malformed(&error))?;
    }
    Ok(observed)
}

/// The payment with at most the ten newest refunds.
pub(super) async fn retrieve_intent(
    client: &Client,
    id: &str,
    traceparent: Option<&str>,
) -> Result<Observed, CallError> {
    let query: Fields = vec![(EXPAND.0, EXPAND.1.to_owned())];
    let answer = client.get(&format!("/v1/payment_intents/{}", path_id(id)?), &query, traceparent).await?;
    let intent: Intent = judge(answer, &Source::Poll)?.or_not_done()?;
    intent.observed(Source::Poll).map_err(|error| malformed(&error))
}

async fn change(
    client: &Client,
    path: &str,
    mut form: Fields,
    key: &IdempotencyKey,
    traceparent: Option<&str>,
) -> Result<Verdict<Observed>, CallError> {
    form.push((EXPAND.0, EXPAND.1.to_owned()));
    let result = client.post(path, &form, key, traceparent).await.and_then(|answer| {
        match judge::<Intent>(answer, &Source::Answer)? {
            Verdict::Done(intent) => {
                intent.observed(Source::Answer).map(Verdict::Done).map_err(|error| malformed(&error))
            }
            Verdict::Declined { code, detail, observed } => Ok(Verdict::Declined { code, detail, observed }),
        }
    });
    if let Err(error) = &result {
        Span::current().record("failure", error.code());
    }
    result
}

/// A refusal that shows the payment is an observation of it.
fn refusal_shown(verdict: Verdict<Observed>) -> Result<Observed, CallError> {
    match verdict {
        Verdict::Declined { observed: Some(observed), .. } => Ok(*observed),
        other => other.or_not_done(),
    }
}

async fn declined_payment(client: &Client, request: &Authorize) -> Option<Observed> {
    let find_request = Find {
        attempt_id: request.attempt_id.clone(),
        created_from_s: 0,
        created_to_s: u32::MAX.into(),
        traceparent: request.traceparent.clone(),
    };
    let look =
        tokio::time::timeout(client.total_timeout.min(Duration::from_secs(5)), find(client, &find_request));
    look.await.ok()?.ok()?.payments.into_iter().next()
}

pub(super) fn stripe_amount(money: Money) -> Result<String, CallError> {
    if money.amount <= 0 {
        return Err(invalid("the amount is not above zero"));
    }
    to_stripe(money)
        .map(|amount| amount.to_string())
        .ok_or_else(|| invalid("the provider cannot express this amount in this currency"))
}

pub(super) fn call_span(operation: &'static str, key: &IdempotencyKey) -> Span {
    info_span!("payment_provider_call", operation, idempotency_key = %key, failure = tracing::field::Empty)
}
