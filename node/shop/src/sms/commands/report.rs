use serde::{Deserialize, Serialize};
use storage::Read;

use super::change;
use crate::broker::Fence;
use crate::command::Execute;
use crate::sms::{Event, Message, Messages, State};
use crate::time::Timestamp;
use crate::{Ctx, Event as ShopEvent, Halt, Outcome};

/// The most characters that are kept of why a text message failed.
const MAX_REASON_CHARS: usize = 200;
/// The pause after the first look-up that found nothing, and the longest one; each is twice the one before.
const LOOK_UP_PAUSE_MILLIS: (u64, u64) = (10_000, 320_000);
/// A provider that is asked so long after the try and still does not know the message never took it.
const NOT_FOUND_AFTER_MILLIS: u64 = 10 * 60 * 1_000;
/// How long a provider is asked that does not say.
const SILENT_AFTER_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// What became of some tries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportMessages {
    pub fence: Fence,
    /// At most 100.
    pub results: Vec<Ended>,
}

/// What became of one try, or what a look-up of it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The message, by the event's sequence number.
    pub seq: u64,
    /// The try. What is told of an earlier one changes nothing: it would be sent again without a proof.
    pub attempt: u64,
    pub finding: Finding,
}

/// Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// The provider took it.
    Sent,
    /// The provider did not take it and never will, or it was tried too often.
    Refused { reason: String },
    /// The provider did not take it: try again then.
    NotAccepted { at: Timestamp },
    /// Looked up: the provider does not know of it.
    NotFound,
    /// Looked up: the provider did not say.
    NoAnswer,
}

impl Execute for ReportMessages {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        for Ended { seq, attempt, finding } in &self.results {
            let Some(mut message) = ctx.tx.get::<Messages>(seq)? else { continue };
            let next = match message.state {
                State::Sending { attempt: current, since, look_ups, .. } if current == *attempt => {
                    next_state(ctx.now, finding, current, since, look_ups)
                }
                // A second report of the same try, or a late one of an earlier one, says nothing new.
                _ => continue,
            };
            if !matches!(next, State::Sending { .. }) {
                message.tries = message.tries.saturating_add(1);
            }
            tell(ctx, *seq, &message, &next);
            change(ctx, *seq, &mut message, next)?;
        }
        Ok(Outcome::Done)
    }
}

fn next_state(now: Timestamp, finding: &Finding, attempt: u64, since: Timestamp, look_ups: u32) -> State {
    let failed =
        |reason: &str| State::Failed { at: now, reason: reason.chars().take(MAX_REASON_CHARS).collect() };
    let look_up_again = || {
        let (first, longest) = LOOK_UP_PAUSE_MILLIS;
        let pause = first.saturating_mul(1 << look_ups.min(20)).min(longest);
        State::Sending { attempt, since, look_up_at: now.plus_millis(pause), look_ups: look_ups.saturating_add(1) }
    };
    match finding {
        Finding::Sent => State::Sent { at: now },
        Finding::Refused { reason } => failed(reason),
        Finding::NotAccepted { at } => State::Pending { since: now, next_at: (*at).max(now) },
        Finding::NotFound if now.since(since) >= NOT_FOUND_AFTER_MILLIS => {
            failed("the provider does not know of it")
        }
        Finding::NotFound => look_up_again(),
        Finding::NoAnswer if now.since(since) >= SILENT_AFTER_MILLIS => {
            failed("the provider does not say whether it was sent")
        }
        Finding::NoAnswer => look_up_again(),
    }
}

fn tell(ctx: &mut Ctx<'_, '_>, seq: u64, message: &Message, next: &State) {
    let (order, kind) = (message.order, message.kind);
    let event = match next {
        State::Sent { .. } => Event::Sent { order, kind, seq },
        State::Failed { reason, .. } => Event::Failed { order, kind, seq, reason: reason.clone() },
        State::Pending { .. } | State::Sending { .. } => return,
    };
    ctx.emit(ShopEvent::Sms(event));
}
