//! Calls about refunds.

use tracing::Instrument;

use super::client::{Client, Fields, path_id};
use super::failure::{judge, malformed};
use super::objects::RefundObject;
use super::payments::{call_span, stripe_amount};
use crate::effects::provider::{CallError, ObservedRefund, Refund, Retrieve, Source};

pub(super) async fn refund(client: &Client, request: &Refund) -> Result<ObservedRefund, CallError> {
    let form: Fields = vec![
        ("payment_intent", path_id(&request.provider_id)?.to_owned()),
        ("amount", stripe_amount(request.amount)?),
        ("metadata[refund]", request.refund_id.clone()),
        ("metadata[attempt]", request.attempt_id.clone()),
        ("metadata[order]", request.order_id.clone()),
    ];
    let call = client.post("/v1/refunds", &form, &request.key, request.traceparent.as_deref());
    let answer = call.instrument(call_span("refund", &request.key)).await?;
    let object: RefundObject = judge(answer, &Source::Answer)?.or_not_done()?;
    object.observed(Source::Answer).map_err(|error| malformed(&error))
}

pub(super) async fn retrieve(client: &Client, request: &Retrieve) -> Result<ObservedRefund, CallError> {
    let path = format!("/v1/refunds/{}", path_id(&request.provider_id)?);
    let answer = client.get(&path, &Fields::new(), request.traceparent.as_deref()).await?;
    let object: RefundObject = judge(answer, &Source::Poll)?.or_not_done()?;
    object.observed(Source::Poll).map_err(|error| malformed(&error))
}
