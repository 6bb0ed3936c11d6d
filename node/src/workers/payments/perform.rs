//! One order's payments: step after step, until there is nothing to do or something has to be waited for.

use std::sync::Arc;

use shop::broker::Fence;
use shop::command::Trace;
use shop::ids::OrderId;
use shop::order::{ExpireOrder, Orders};
use shop::payment::{
    Call, MarkSending, Observe, Outcome, Provider, ReportAbsent, ReportNoAnswer, ReportRefused, Step,
    next_step,
};
use shop::{Code, Timestamp};
use storage::Read;
use tracing::{Instrument, error, info, info_span};

use super::super::desk::{Desk, Trouble, trace_of};
use super::{Providers, restored, translate};
use crate::effects::provider::{
    Authorize, CallError, Cancel, Capture, CaptureMode, Find, IdempotencyKey, Observed, ObservedRefund,
    PaymentProvider, Refund, Retrieve, codes,
};
use crate::telemetry::{adopt, format_traceparent};

/// Steps taken for one order before others get their turn.
const MAX_STEPS: usize = 8;
/// A search for a payment begins this much before it was first sent and ends this much after it was last sent: clocks
/// differ.
const SEARCH_SLACK_S: i64 = 60;

/// Works on one order. `Ok` when nothing is to be done now.
pub async fn order(desk: &Desk, fence: &Fence, providers: &Providers, order: OrderId) -> Result<(), Trouble> {
    for _ in 0..MAX_STEPS {
        let now = desk.now();
        let look = desk.read(move |view| {
            let Some(record) = view.get::<Orders>(&order)? else { return Ok(None) };
            let Some(step) = next_step(order, &record, now) else { return Ok(None) };
            let trace = trace_of(view, &record)?;
            let restored = restored::since(view, &record)?;
            let window = window(&record, &step, restored);
            Ok(Some((step, trace, window, restored)))
        });
        let Some((step, trace, window, restored)) = look.await? else { return Ok(()) };
        let work = Work { desk, fence, providers, order, trace, window, is_restored: restored.is_some() };
        let span = info_span!("payment", %order, trace_id = tracing::field::Empty);
        adopt(&span, trace.as_ref());
        match work.take(step).instrument(span).await {
            Ok(Next::Again) => {}
            Ok(Next::Wait) => return Ok(()),
            // Something changed between looking and acting: look again.
            Err(Trouble::Refused(rejection)) if rejection.code == Code::Conflict => return Ok(()),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(())
}

/// Between which seconds the payment that a step is about was made at the provider. The cluster before a restored one went
/// on after what its backup says, also with attempts that this one has opened anew.
fn window(order: &shop::order::Order, step: &Step, restored: Option<Timestamp>) -> (i64, i64) {
    let payment = match step {
        Step::LookUp { call, .. } => Some(*call),
        _ => step.sends(),
    };
    let attempt = payment
        .and_then(|call| usize::from(call.payment.ordinal()).checked_sub(1))
        .and_then(|position| order.attempts.get(position));
    let (first, last) = attempt.map_or((order.created_at, order.updated_at), |attempt| {
        (attempt.created_at, attempt.sent.map_or(attempt.updated_at, |sent| sent.sent_at))
    });
    let (first, last) = match restored {
        Some(made) if first > made => (order.created_at, last),
        Some(made) => (first, last.max(made)),
        None => (first, last),
    };
    let seconds = |millis: u64| i64::try_from(millis / 1_000).unwrap_or(i64::MAX / 2);
    (seconds(first.millis()) - SEARCH_SLACK_S, seconds(last.millis()) + SEARCH_SLACK_S)
}

enum Next {
    Again,
    Wait,
}

struct Work<'a> {
    desk: &'a Desk,
    fence: &'a Fence,
    providers: &'a Providers,
    order: OrderId,
    trace: Option<Trace>,
    window: (i64, i64),
    /// The order came with a backup.
    is_restored: bool,
}

/// What a provider knows of a call that another cluster may have made.
enum Before {
    /// It was not made.
    Nothing,
    /// It was, and what came of it is in the log now.
    Known,
    /// That cannot be told.
    InDoubt,
}

/// What came of a call.
enum Answer {
    Payment(Observed),
    Refund(ObservedRefund),
}

impl Work<'_> {
    async fn take(&self, step: Step) -> Result<Next, Trouble> {
        match step {
            Step::Wait { .. } => return Ok(Next::Wait),
            Step::Expire => {
                self.submit(ExpireOrder { fence: self.fence.clone(), order: self.order }).await?;
            }
            Step::LookUp { call, refund, provider, object, alarm } => {
                if alarm {
                    error!(%call, "a payment could not be resolved in time: look it up at the provider");
                }
                self.look_up(call, refund.is_some(), provider, object).await?;
            }
            Step::Authorize { call, provider, .. }
            | Step::Capture { call, provider, .. }
            | Step::Void { call, provider, .. }
            | Step::CancelAtProvider { call, provider, .. }
            | Step::Refund { call, provider, .. } => {
                let adapter = self.provider(provider)?;
                // The others are about an object at the provider, which is captured or voided once.
                if self.is_restored && matches!(step, Step::Authorize { .. } | Step::Refund { .. }) {
                    match self.ask_before(adapter.as_ref(), &step, call, provider).await? {
                        Before::Nothing => {}
                        Before::Known => return Ok(Next::Again),
                        Before::InDoubt => return Ok(Next::Wait),
                    }
                }
                self.submit(MarkSending { fence: self.fence.clone(), call }).await?;
                let answer = self.send(adapter.as_ref(), &step, call).await;
                return self.report(call, provider, answer).await;
            }
        }
        Ok(Next::Again)
    }

    /// Whether the cluster that was backed up has made this call. In doubt the call is noted as one without an answer, so
    /// that staff see a payment that is unknown; it is looked for again, later each time, and not sent before a search
    /// was complete.
    async fn ask_before(
        &self,
        adapter: &dyn PaymentProvider,
        step: &Step,
        call: Call,
        provider: Provider,
    ) -> Result<Before, Trouble> {
        let seen = match step {
            Step::Refund { object, .. } => self.find_refund(adapter, call, object.as_deref()).await,
            _ => self.find(adapter, call).await.map(|found| found.into_iter().map(Answer::Payment).collect()),
        };
        match seen {
            Ok(answers) if answers.is_empty() => return Ok(Before::Nothing),
            Ok(answers) if self.observe_all(provider, &answers).await? => return Ok(Before::Known),
            Ok(_) => error!(%call, "what the provider has for this call is something else: look it up there"),
            Err(error) if error.code() == LOOK_UP => {
                error!(%call, %error, "whether the shop that was backed up made this call cannot be told: look it up at the provider");
            }
            Err(error) => info!(%call, %error, "the provider did not say whether this call was made already"),
        }
        let fence = self.fence.clone();
        self.submit(MarkSending { fence: fence.clone(), call }).await?;
        self.submit(ReportNoAnswer { fence, call }).await?;
        Ok(Before::InDoubt)
    }

    fn provider(&self, provider: Provider) -> Result<Arc<dyn PaymentProvider>, Trouble> {
        let name = provider.as_str();
        self.providers.get(name).cloned().ok_or(Trouble::NoProvider(name))
    }

    /// Makes the call. An object that is not known yet is searched first.
    async fn send(
        &self,
        provider: &dyn PaymentProvider,
        step: &Step,
        call: Call,
    ) -> Result<Answer, CallError> {
        let (key, traceparent) = (IdempotencyKey::of(&call), self.trace.as_ref().map(format_traceparent));
        let (attempt_id, order_id) = (call.payment.to_string(), self.order.to_string());
        let kind = match step {
            Step::Authorize { method, amount, capture, .. } => {
                let capture = match capture {
                    shop::payment::CaptureMode::Automatic => CaptureMode::Automatic,
                    shop::payment::CaptureMode::Manual => CaptureMode::Manual,
                };
                let (amount, method) = (*amount, method.clone());
                let request = Authorize { key, attempt_id, order_id, amount, method, capture, traceparent };
                ("payment.authorize", provider.authorize(&request).await.map(Answer::Payment))
            }
            Step::Capture { object, amount, .. } => {
                let provider_id = self.object(provider, call, object).await?;
                let request = Capture { key, provider_id, amount: Some(*amount), traceparent };
                ("payment.capture", provider.capture(&request).await.map(Answer::Payment))
            }
            Step::Refund { refund, object, amount, .. } => {
                let provider_id = self.object(provider, call, object).await?;
                let (refund_id, amount) = (refund.to_string(), *amount);
                let request =
                    Refund { key, provider_id, refund_id, attempt_id, order_id, amount, traceparent };
                ("refund.create", provider.refund(&request).await.map(Answer::Refund))
            }
            Step::Void { object, .. } | Step::CancelAtProvider { object, .. } => {
                let provider_id = self.object(provider, call, object).await?;
                let request = Cancel { key, provider_id, traceparent };
                ("payment.cancel", provider.cancel(&request).await.map(Answer::Payment))
            }
            // Nothing is sent for these.
            Step::LookUp { .. } | Step::Expire | Step::Wait { .. } => {
                return Err(unknown("nothing to send"));
            }
        };
        self.count(kind.0, &kind.1);
        kind.1
    }

    async fn object(
        &self,
        provider: &dyn PaymentProvider,
        call: Call,
        known: &Option<String>,
    ) -> Result<String, CallError> {
        if let Some(object) = known {
            return Ok(object.clone());
        }
        let found = self.find(provider, call).await?;
        found
            .into_iter()
            .next()
            .map(|observed| observed.provider_id)
            .ok_or_else(|| unknown("no payment found yet"))
    }

    /// Every payment at the provider that carries the attempt's id.
    async fn find(&self, provider: &dyn PaymentProvider, call: Call) -> Result<Vec<Observed>, CallError> {
        let request = Find {
            attempt_id: call.payment.to_string(),
            created_from_s: self.window.0,
            created_to_s: self.window.1,
            traceparent: self.trace.as_ref().map(format_traceparent),
        };
        let found = provider.find(&request).await;
        self.count("payment.find", &found);
        let found = found?;
        if found.payments.is_empty() && !found.complete {
            return Err(unknown("the search was not complete"));
        }
        Ok(found.payments)
    }

    async fn look_up(
        &self,
        call: Call,
        of_refund: bool,
        provider: Provider,
        object: Option<String>,
    ) -> Result<(), Trouble> {
        let adapter = self.provider(provider)?;
        let traceparent = self.trace.as_ref().map(format_traceparent);
        let looked = match (of_refund, object) {
            (false, Some(provider_id)) => {
                let seen = adapter.retrieve(&Retrieve { provider_id, traceparent }).await;
                self.count("payment.retrieve", &seen);
                seen.map(|observed| vec![Answer::Payment(observed)])
            }
            (false, None) => {
                let found = self.find(adapter.as_ref(), call).await;
                found.map(|payments| payments.into_iter().map(Answer::Payment).collect())
            }
            (true, Some(provider_id)) => {
                let seen = adapter.retrieve_refund(&Retrieve { provider_id, traceparent }).await;
                self.count("refund.retrieve", &seen);
                seen.map(|observed| vec![Answer::Refund(observed)])
            }
            (true, None) => self.find_refund(adapter.as_ref(), call, None).await,
        };
        match looked {
            Ok(answers) if answers.is_empty() => {
                self.submit(ReportAbsent { fence: self.fence.clone(), call }).await
            }
            Ok(answers) if self.observe_all(provider, &answers).await? => Ok(()),
            // Nothing of it was ours: noted, so that the next look waits longer.
            Ok(_) => self.submit(ReportNoAnswer { fence: self.fence.clone(), call }).await,
            Err(error) => {
                info!(%call, %error, "a look-up brought nothing");
                // Committed, so that the next look waits longer; it changes nothing else.
                self.submit(ReportNoAnswer { fence: self.fence.clone(), call }).await
            }
        }
    }

    /// The refund whose answer was lost: its payment, `payment` at the provider if that is known, shows it.
    async fn find_refund(
        &self,
        provider: &dyn PaymentProvider,
        call: Call,
        payment: Option<&str>,
    ) -> Result<Vec<Answer>, CallError> {
        let wanted = shop::ids::RefundId::of(self.order, call.sequence as u8).to_string();
        let payments = match payment {
            Some(payment) => {
                let traceparent = self.trace.as_ref().map(format_traceparent);
                let seen =
                    provider.retrieve(&Retrieve { provider_id: payment.to_owned(), traceparent }).await;
                self.count("payment.retrieve", &seen);
                vec![seen?]
            }
            None => self.find(provider, call).await?,
        };
        for payment in payments {
            let shown =
                payment.refunds.into_iter().find(|refund| refund.refund_id.as_deref() == Some(&wanted));
            match shown {
                Some(refund) => return Ok(vec![Answer::Refund(refund)]),
                None if !payment.refunds_complete => return Err(unknown("not all refunds were shown")),
                None => {}
            }
        }
        Ok(Vec::new())
    }

    async fn report(
        &self,
        call: Call,
        provider: Provider,
        answer: Result<Answer, CallError>,
    ) -> Result<Next, Trouble> {
        let fence = self.fence.clone();
        match answer {
            Ok(answer) => {
                self.observe(provider, &answer).await?;
            }
            Err(CallError::NotDone { observed: Some(observed), .. }) => {
                self.observe(provider, &Answer::Payment(*observed)).await?;
            }
            Err(CallError::NotDone { code, .. }) if may_work_later(&code) => {
                self.submit(ReportNoAnswer { fence, call }).await?;
                return Ok(Next::Wait);
            }
            Err(CallError::NotDone { code, .. }) => {
                info!(%call, code, "the provider refused");
                self.submit(ReportRefused { fence, call, code }).await?;
            }
            Err(error @ (CallError::Unknown { .. } | CallError::RetryLater { .. })) => {
                info!(%call, %error, "the provider did not say");
                self.submit(ReportNoAnswer { fence, call }).await?;
                return Ok(Next::Wait);
            }
        }
        Ok(Next::Again)
    }

    /// Reports what was seen. Says whether any of it was taken.
    async fn observe_all(&self, provider: Provider, answers: &[Answer]) -> Result<bool, Trouble> {
        let mut taken = false;
        for answer in answers {
            taken |= self.observe(provider, answer).await?;
        }
        Ok(taken)
    }

    /// Says whether it was taken and not put aside as nobody's.
    async fn observe(&self, provider: Provider, answer: &Answer) -> Result<bool, Trouble> {
        let reports = match answer {
            Answer::Payment(observed) => translate::reports(observed),
            Answer::Refund(observed) => translate::refund(observed).into_iter().collect(),
        };
        let mut taken = false;
        for (source, report) in reports {
            let observe = Observe { fence: Some(self.fence.clone()), provider, source, report };
            let outcome = self.desk.submit(observe, self.trace).await?;
            taken |= !matches!(outcome, shop::Outcome::Payment(Outcome::Quarantined(_)));
        }
        Ok(taken)
    }

    async fn submit(&self, command: impl Into<shop::Command>) -> Result<(), Trouble> {
        self.desk.submit(command, self.trace).await.map(|_| ())
    }

    fn count<T>(&self, kind: &'static str, result: &Result<T, CallError>) {
        let word = match result {
            Ok(_) => "ok",
            Err(CallError::NotDone { .. }) => "refused",
            Err(CallError::Unknown { .. }) => "unknown",
            Err(CallError::RetryLater { .. }) => "retry_later",
        };
        self.desk.metrics.shop.effect(kind, word);
    }
}

/// The provider was not reached, or does not know us: not the card's fault, and the same call later is right.
fn may_work_later(code: &str) -> bool {
    code == codes::CONNECT || code == codes::UNAUTHORIZED
}

/// The provider answered, and it proves nothing.
const LOOK_UP: &str = "look_up";

fn unknown(detail: &str) -> CallError {
    CallError::Unknown { code: LOOK_UP.to_owned(), detail: detail.to_owned() }
}
