//! Mails that follow from events: derives them once, sends them, notes what became of each.
//!
//! A mail is sent before it is noted as sent. After a crash in between it is sent once more, with the same bytes and the
//! same `Message-ID` (RFC 5322, section 3.6.4), so that a mailbox shows it once.

mod compose;
mod derive;

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use shop::broker::Fence;
use shop::notification::{Delivery, Enqueue, Notification, QUEUE, Report, queries};
use storage::View;
use tracing::field::Empty;
use tracing::{Instrument, info_span, warn};

use super::Mail;
use super::desk::{Desk, Trouble, trace_of_order};
use super::supervisor::{Fences, Pass, Reconciler};
use crate::telemetry::adopt;

/// Batches of events looked at in one pass: the notifications of so many fit into one command.
const BATCHES_PER_PASS: usize = 100;
/// Mails sent in one pass, and reported in one command.
const MAILS_PER_PASS: usize = 50;
/// Events without a mail are passed over in memory up to this many before the cursor is moved for their sake.
const IDLE_EVENTS: u64 = 1_000;
/// Tries before a mail is given up: with the doubling pauses some days.
const MAX_TRIES: u32 = 12;

/// The reconciler of the queue `notifications`.
pub struct Notifications {
    /// `None`: no mail server. The cursor moves all the same, so that switching mail on does not mail the past.
    mail: Option<Mail>,
    /// The last event looked at, if that is beyond what is committed.
    seen: u64,
}

impl Notifications {
    pub fn new(mail: Option<Mail>) -> Self {
        Self { mail, seen: 0 }
    }

    /// Turns new events into notifications. Whether there may be more.
    async fn derive(&mut self, desk: &Desk, fence: &Fence) -> Result<bool, Trouble> {
        let (seen, now) = (self.seen, desk.now());
        let mut found = desk.read(move |view| derive::after(view, seen, now, BATCHES_PER_PASS)).await?;
        if self.mail.is_none() {
            found.items.clear();
        }
        desk.metrics.shop.queue_lag(QUEUE, found.lag);
        if found.items.is_empty() && found.up_to.saturating_sub(found.committed) < IDLE_EVENTS {
            self.seen = found.up_to;
            return Ok(found.more);
        }
        let enqueue = Enqueue { fence: fence.clone(), up_to: found.up_to, items: found.items };
        desk.submit(enqueue, None).await?;
        self.seen = found.up_to;
        Ok(found.more)
    }

    /// Sends what is due. Whether there may be more.
    async fn send_due(&self, desk: &Desk, fence: &Fence) -> Result<bool, Trouble> {
        let Some(mail) = &self.mail else { return Ok(false) };
        let now = desk.now();
        let due = desk.read(move |view| queries::due(view, now, MAILS_PER_PASS)).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let more = due.len() == MAILS_PER_PASS;
        let results: Vec<_> = futures::stream::iter(due)
            .map(|(seq, notification)| async move { (seq, send(mail, desk, seq, &notification).await) })
            .buffer_unordered(desk.parallel())
            .collect()
            .await;
        let mut told = Vec::new();
        for (seq, result) in results {
            told.push((seq, result?));
        }
        desk.submit(Report { fence: fence.clone(), results: told }, None).await?;
        Ok(more)
    }
}

impl Reconciler for Notifications {
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
            let more_events = self.derive(desk, fence).await?;
            let more_mails = self.send_due(desk, fence).await?;
            Ok(if more_events || more_mails { Pass::More } else { Pass::Idle })
        })
    }
}

/// One try of one mail.
async fn send(mail: &Mail, desk: &Desk, seq: u64, notification: &Notification) -> Result<Delivery, Trouble> {
    let composing = notification.clone();
    let domain = mail.domain.clone();
    let look = move |view: &View<'_>| {
        Ok((compose::mail(view, seq, &composing, &domain)?, trace_of_order(view, composing.order)?))
    };
    let (composed, trace) = desk.read(look).await?;
    let Some(letter) = composed else {
        return Ok(Delivery::Failed { reason: "the order's personal data was erased".to_owned() });
    };
    let span = info_span!("notification", kind = notification.kind.as_str(), seq, trace_id = Empty);
    adopt(&span, trace.as_ref());
    let sent = mail.mailer.send(&letter).instrument(span).await;
    desk.metrics.shop.effect("mail", sent.as_ref().map_or_else(|error| error.code(), |()| "ok"));
    let Err(error) = sent else { return Ok(Delivery::Sent) };
    let tries = notification.tries + 1;
    warn!(cause_seq = seq, kind = notification.kind.as_str(), tries, %error, "mail not sent");
    Ok(if error.is_permanent() || tries >= MAX_TRIES {
        Delivery::Failed { reason: error.to_string() }
    } else {
        let pause: Duration = desk.backoff(tries);
        Delivery::Retry { at: desk.now().plus_millis(pause.as_millis() as u64) }
    })
}
