//! Webhooks of payment providers. Signed, or refused; answered 2xx only once what they say is committed, so that the
//! provider sends them again until then.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::payment::{Observe, Provider, Report, Source};
use shop::{Actor, Code};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::effects::stripe::webhook::{MAX_BODY_BYTES, Notice, SigningSecrets, WebhookError, receive};
use crate::gateway::{Call, Field, Media, Policy, Problem, Raw, Routes, json};
use crate::workers::payments::translate::{refund, reports};

const SIGNATURE: &str = "stripe-signature";

/// The signing secrets of the endpoints that are configured.
#[derive(Debug, Clone, Default)]
pub struct SigningSecretsOf {
    pub stripe: Option<SigningSecrets>,
    pub sandbox: Option<SigningSecrets>,
}

pub fn routes(routes: Routes) -> Routes {
    let policy = Policy::open().reads(Media::Any, Some(MAX_BODY_BYTES)).looks_at(&[Field::Signature]);
    routes.add(routes!(stripe), policy).add(routes!(sandbox), policy)
}

/// What a webhook is answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// Always true.
    pub received: bool,
}

/// Takes an event of Stripe.
#[utoipa::path(
    post, path = "/hooks/stripe", tag = "hooks", operation_id = "stripe_webhook",
    request_body(content = serde_json::Value, description = "An event, signed in `Stripe-Signature`"),
    responses((status = 200, description = "What it says is committed", body = Received))
)]
async fn stripe(call: Call, body: Raw) -> Result<Response, Problem> {
    let secrets = call.app.webhooks.stripe.clone();
    take(call, body, Provider::Stripe, secrets).await
}

/// Takes an event of the sandbox, which speaks Stripe's protocol.
#[utoipa::path(
    post, path = "/hooks/sandbox", tag = "hooks", operation_id = "sandbox_webhook",
    request_body(content = serde_json::Value, description = "An event, signed in `Stripe-Signature`"),
    responses((status = 200, description = "What it says is committed", body = Received))
)]
async fn sandbox(call: Call, body: Raw) -> Result<Response, Problem> {
    let secrets = call.app.webhooks.sandbox.clone();
    take(call, body, Provider::Sandbox, secrets).await
}

async fn take(
    call: Call,
    Raw(body): Raw,
    provider: Provider,
    secrets: Option<SigningSecrets>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(Code::NotFound, "this provider is not configured here");
    let secrets = secrets.ok_or_else(missing)?;
    let signature = call.headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let now_s = i64::try_from(call.app.clock.now_ms() / 1_000).unwrap_or(i64::MAX);
    let event = receive(signature, &body, now_s, &secrets).map_err(refused)?;
    for (source, report) in reported(&event.notice) {
        let command = Observe { fence: None, provider, source, report };
        // Merged monotonically, so that an event that comes twice, or was taken half, does no harm.
        call.carry_on_as(Actor::Provider, command).await?;
    }
    json(StatusCode::OK, &Received { received: true }, None)
}

fn reported(notice: &Notice) -> Vec<(Source, Report)> {
    match notice {
        Notice::Payment(observed) => reports(observed),
        Notice::Refund(observed) => refund(observed).into_iter().collect(),
        Notice::Ignored => Vec::new(),
    }
}

fn refused(error: WebhookError) -> Problem {
    // Anybody can send one: it is no reason to act.
    tracing::info!(code = error.code(), %error, "a webhook is refused");
    match error {
        WebhookError::TooLarge => Problem::new(Code::BodyTooLarge, "the event is too large"),
        WebhookError::Body(_) => Problem::new(Code::MalformedBody, "the body is not an event"),
        WebhookError::Header | WebhookError::Timestamp | WebhookError::Signature => {
            Problem::new(Code::WebhookSignature, Code::WebhookSignature.title())
        }
    }
}
