//! Text messages that follow from events: derives them once, sends each at most once, notes what became of it.
//!
//! That a text is being sent is committed before its request leaves, and only what that command's answer names is sent.
//! A request without an answer is not repeated: the text is looked for at the provider, by this worker or by whoever
//! finds it `sending` after a crash. A text that came with a backup may have been sent after the backup by the cluster
//! before this one: it is looked for first.

mod compose;
mod derive;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use shop::Outcome;
use shop::broker::Fence;
use shop::command::Trace;
use shop::sms::{
    BeginMessages, Ended, EnqueueMessages, Finding, MAX_BEGUN, Message, QUEUE, ReportMessages, State, queries,
};
use storage::View;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span, warn};

use super::desk::{Desk, Trouble, trace_of_order};
use super::payments::restored;
use super::supervisor::{Fences, Pass, Reconciler};
use crate::effects::sms::{SmsError, Twilio};
use crate::telemetry::adopt;

/// The level of the commands for text messages.
const LEVEL: u32 = 4;
/// Batches of events looked at in one pass: the texts of so many fit into one command.
const BATCHES_PER_PASS: usize = 100;
/// Events without a text are passed over in memory up to this many before the cursor is moved for their sake.
const IDLE_EVENTS: u64 = 1_000;
/// Tries before a text that the provider does not accept is given up.
const MAX_TRIES: u32 = 12;
/// A text that was begun longer ago is not sent any more: whoever has the lease by now may be looking for it.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// Texts of the same words are looked for from so long before this one was made: the provider has another clock.
const CLOCKS_DIFFER_S: u64 = 3_600;
/// Why a text fails that there is nobody for.
const NOBODY: &str = "the order has no number any more";

/// The reconciler of the queue `sms`.
pub struct Sms {
    /// `None`: no provider. The cursor moves all the same, so that switching texts on does not send the past.
    provider: Option<Arc<Twilio>>,
    /// The last event looked at, if that is beyond what is committed.
    seen: u64,
}

impl Sms {
    pub fn new(provider: Option<Arc<Twilio>>) -> Self {
        Self { provider, seen: 0 }
    }

    /// Turns new events into text messages. Whether there may be more.
    async fn derive(&mut self, desk: &Desk, fence: &Fence) -> Result<bool, Trouble> {
        let (seen, now) = (self.seen, desk.now());
        let mut found = desk.read(move |view| derive::after(view, seen, now, BATCHES_PER_PASS)).await?;
        if self.provider.is_none() {
            found.items.clear();
        }
        desk.metrics.shop.queue_lag(QUEUE, found.lag);
        if found.items.is_empty() && found.up_to.saturating_sub(found.committed) < IDLE_EVENTS {
            self.seen = found.up_to;
            return Ok(found.more);
        }
        let enqueue = EnqueueMessages { fence: fence.clone(), up_to: found.up_to, items: found.items };
        desk.submit(enqueue, None).await?;
        self.seen = found.up_to;
        Ok(found.more)
    }

    /// Sends what is to be sent and looks up what may have been. Whether there may be more.
    async fn work(&self, desk: &Desk, fence: &Fence) -> Result<bool, Trouble> {
        let Some(provider) = &self.provider else { return Ok(false) };
        let now = desk.now();
        let due = desk.read(move |view| queries::due(view, now, MAX_BEGUN)).await?;
        let more = due.len() == MAX_BEGUN;
        let (pending, sending): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, message)| matches!(message.state, State::Pending { .. }));
        send_all(provider, desk, fence, pending).await?;
        look_up_all(provider, desk, fence, sending).await?;
        Ok(more)
    }
}

impl Reconciler for Sms {
    fn name(&self) -> &'static str {
        QUEUE
    }

    fn begin(&mut self, _queue: &str) {
        self.seen = 0;
    }

    fn pass<'a>(&'a mut self, desk: &'a Desk, fences: &'a Fences) -> BoxFuture<'a, Result<Pass, Trouble>> {
        Box::pin(async move {
            let Some(fence) = fences.of(QUEUE) else {
                // Whoever does the work now tells how far it is.
                desk.metrics.shop.forget_queue_lag(QUEUE);
                return Ok(Pass::Idle);
            };
            if desk.active_version() < LEVEL {
                return Ok(Pass::Idle);
            }
            let more_events = self.derive(desk, fence).await?;
            let more_texts = self.work(desk, fence).await?;
            Ok(if more_events || more_texts { Pass::More } else { Pass::Idle })
        })
    }
}

type Due = Vec<(u64, Message)>;

async fn send_all(provider: &Twilio, desk: &Desk, fence: &Fence, pending: Due) -> Result<(), Trouble> {
    if pending.is_empty() {
        return Ok(());
    }
    let made = desk.read(|view| restored::made_at(view)).await?;
    let began = Instant::now();
    let seqs = pending.iter().map(|(seq, _)| *seq).collect();
    // What it answers a repeated request is what it did the first time: nothing else says what may be sent.
    let begun = desk.submit_once(BeginMessages { fence: fence.clone(), seqs }).await?;
    let Outcome::Sms(shop::sms::Outcome::Begun { attempt, seqs }) = begun else {
        return Err(Trouble::Interrupted);
    };
    let is_ours = |(seq, message): &(u64, Message)| seqs.contains(seq) && !is_restored(message, made);
    let tries = futures::stream::iter(pending.into_iter().filter(is_ours))
        .map(|(seq, message)| async move { (seq, send(provider, desk, began, seq, &message).await) });
    report(desk, fence, tries.buffer_unordered(desk.parallel()).collect().await, |_| attempt).await
}

/// Whether it was to be sent when the backup was made that this cluster came from.
fn is_restored(message: &Message, made: Option<shop::Timestamp>) -> bool {
    matches!((&message.state, made), (State::Pending { since, .. }, Some(made)) if *since <= made)
}

async fn look_up_all(provider: &Twilio, desk: &Desk, fence: &Fence, sending: Due) -> Result<(), Trouble> {
    let attempts: std::collections::BTreeMap<u64, u64> = sending
        .iter()
        .filter_map(|(seq, message)| match message.state {
            State::Sending { attempt, .. } => Some((*seq, attempt)),
            _ => None,
        })
        .collect();
    let look_ups = futures::stream::iter(sending)
        .map(|(seq, message)| async move { (seq, look_up(provider, desk, seq, &message).await.map(Some)) });
    let found = look_ups.buffer_unordered(desk.parallel()).collect().await;
    report(desk, fence, found, |seq| attempts.get(&seq).copied().unwrap_or_default()).await
}

/// Notes what is known. Of a text with no finding nothing is: it stays `sending`, and is looked up.
async fn report(
    desk: &Desk,
    fence: &Fence,
    found: Vec<(u64, Result<Option<Finding>, Trouble>)>,
    attempt: impl Fn(u64) -> u64,
) -> Result<(), Trouble> {
    let (mut results, mut trouble) = (Vec::new(), None);
    for (seq, finding) in found {
        match finding {
            Ok(finding) => {
                results.extend(finding.map(|finding| Ended { seq, attempt: attempt(seq), finding }));
            }
            Err(error) => trouble = Some(error),
        }
    }
    if !results.is_empty() {
        desk.submit(ReportMessages { fence: fence.clone(), results }, None).await?;
    }
    trouble.map_or(Ok(()), Err)
}

/// One try of one text that was begun; `None` when nobody knows what came of it.
async fn send(
    provider: &Twilio,
    desk: &Desk,
    began: Instant,
    seq: u64,
    message: &Message,
) -> Result<Option<Finding>, Trouble> {
    let composing = message.clone();
    let look =
        move |view: &View<'_>| Ok((compose::text(view, &composing)?, trace_of_order(view, composing.order)?));
    let (composed, trace) = desk.read(look).await?;
    let Some(text) = composed else { return Ok(Some(Finding::Refused { reason: NOBODY.to_owned() })) };
    if began.elapsed() >= SEND_WITHIN {
        return Ok(Some(Finding::NotAccepted { at: desk.now() }));
    }
    let sent = provider.send(&text).instrument(span(message, seq, trace)).await;
    desk.metrics.shop.effect("sms", sent.as_ref().map_or_else(SmsError::code, |()| "ok"));
    let Err(error) = sent else { return Ok(Some(Finding::Sent)) };
    let tries = message.tries + 1;
    warn!(cause_seq = seq, kind = message.kind.as_str(), tries, %error, "text message not sent");
    Ok(match error {
        SmsError::Refused { code } => Some(Finding::Refused { reason: format!("refused: {code}") }),
        SmsError::NotAccepted { code, .. } if tries >= MAX_TRIES => {
            Some(Finding::Refused { reason: format!("not accepted: {code}") })
        }
        SmsError::NotAccepted { after, .. } => {
            let pause = desk.backoff(tries).max(after.unwrap_or_default());
            Some(Finding::NotAccepted { at: desk.now().plus_millis(pause.as_millis() as u64) })
        }
        SmsError::Unknown { .. } => None,
    })
}

/// In the trace of the order.
fn span(message: &Message, seq: u64, trace: Option<Trace>) -> Span {
    let span = info_span!("text_message", kind = message.kind.as_str(), seq, trace_id = Empty);
    adopt(&span, trace.as_ref());
    span
}

/// Whether the provider has a text that may have been sent.
async fn look_up(provider: &Twilio, desk: &Desk, seq: u64, message: &Message) -> Result<Finding, Trouble> {
    let composing = message.clone();
    let look =
        move |view: &View<'_>| Ok((compose::text(view, &composing)?, trace_of_order(view, composing.order)?));
    let (composed, trace) = desk.read(look).await?;
    let Some(text) = composed else { return Ok(Finding::Refused { reason: NOBODY.to_owned() }) };
    let since_s = (message.created_at.millis() / 1_000).saturating_sub(CLOCKS_DIFFER_S) as i64;
    let found = provider.find(&text, since_s).instrument(span(message, seq, trace)).await;
    let word = match &found {
        Ok(true) => "found",
        Ok(false) => "not_found",
        Err(error) => error.code(),
    };
    desk.metrics.shop.effect("sms.look_up", word);
    Ok(match found {
        Ok(true) => Finding::Sent,
        Ok(false) => Finding::NotFound,
        Err(error) => {
            warn!(cause_seq = seq, %error, "could not look a text message up");
            Finding::NoAnswer
        }
    })
}
