//! Forgets what has been kept long enough: answers to repeated requests, abandoned carts, finished notifications and text
//! messages, old events that every worker has seen. Before that it completes the indexes of payments by state and of
//! notifications by status, which came later than what is in them.
//!
//! One sweep after another, far apart; each step is one bounded command, and apply decides by log time what goes.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use shop::broker::{self, Fence, TrimEvents, TrimReplies, TrimRepliesByEpoch};
use shop::cart::{self, TrimCarts};
use shop::ids::CartId;
use shop::notification::{self, IndexStatuses, TrimNotifications};
use shop::payment::{self, IndexStates};
use shop::sms::{self, TrimMessages};
use shop::{Command, Outcome, Timestamp};

use super::desk::{Desk, Trouble};
use super::supervisor::{Fences, Pass, Reconciler};
use crate::leisure::LONGEST_REST;

/// The queue whose lease the retention worker holds.
const QUEUE: &str = "retention";
/// From the end of a sweep to the beginning of the next.
const PAUSE: Duration = Duration::from_secs(600);
/// Notifications and text messages that ended are kept for 30 days.
const NOTIFICATIONS_KEPT_MILLIS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// So many of them are looked at in one step.
const NOTIFICATIONS_PER_STEP: usize = 250;
/// Orders, or notifications, that are added to their index in one step.
const INDEXED_PER_STEP: u32 = 150;

/// Where a sweep is.
#[derive(Debug, Clone, Copy)]
enum Stage {
    PaymentStates,
    NotificationStatuses,
    Replies { after: Option<[u8; 32]> },
    RepliesByEpoch { after: Option<(u64, [u8; 32])> },
    Carts { after: Option<CartId> },
    Notifications { after: u64 },
    Texts { after: u64 },
    Events,
}

impl Stage {
    /// Whether `next` is the next piece of the same walk through many records.
    fn walks_on_to(self, next: Stage) -> bool {
        matches!(
            (self, next),
            (Stage::Replies { .. }, Stage::Replies { .. })
                | (Stage::RepliesByEpoch { .. }, Stage::RepliesByEpoch { .. })
                | (Stage::Notifications { .. }, Stage::Notifications { .. })
                | (Stage::Texts { .. }, Stage::Texts { .. })
        )
    }
}

/// The reconciler of the queue `retention`.
#[derive(Debug, Default)]
pub struct Retention {
    stage: Option<Stage>,
    rests_until: Option<Instant>,
}

impl Retention {
    async fn step(&self, stage: Stage, desk: &Desk, fence: &Fence) -> Result<Option<Stage>, Trouble> {
        let (fence, now) = (fence.clone(), desk.now());
        Ok(match stage {
            Stage::PaymentStates => {
                let step = Command::from(IndexStates { fence, orders: INDEXED_PER_STEP });
                let complete = desk.read(|view| payment::queries::states_are_indexed(view)).await?;
                if complete || !desk.knows(&step) {
                    return Ok(Some(Stage::NotificationStatuses));
                }
                desk.submit(step, None).await?;
                Some(Stage::PaymentStates)
            }
            Stage::NotificationStatuses => {
                let step = Command::from(IndexStatuses { fence, notifications: INDEXED_PER_STEP });
                let complete = desk.read(|view| notification::queries::statuses_are_indexed(view)).await?;
                if complete || !desk.knows(&step) {
                    return Ok(Some(Stage::Replies { after: None }));
                }
                desk.submit(step, None).await?;
                Some(Stage::NotificationStatuses)
            }
            Stage::Replies { after } => {
                let look = move |view: &storage::View<'_>| broker::queries::expired_replies(view, now, after);
                let (keys, next) = desk.read(look).await?;
                if !keys.is_empty() {
                    desk.submit(TrimReplies { fence, keys }, None).await?;
                }
                let behind = Stage::RepliesByEpoch { after: None };
                Some(next.map_or(behind, |next| Stage::Replies { after: Some(next) }))
            }
            Stage::RepliesByEpoch { after } => {
                let look = move |view: &storage::View<'_>| {
                    broker::queries::expired_replies_by_epoch(view, now, after)
                };
                let (keys, next) = desk.read(look).await?;
                let is_empty = keys.is_empty();
                let step = Command::from(TrimRepliesByEpoch { fence, keys });
                let behind = Stage::Carts { after: None };
                if !desk.knows(&step) {
                    return Ok(Some(behind));
                }
                if !is_empty {
                    desk.submit(step, None).await?;
                }
                Some(next.map_or(behind, |next| Stage::RepliesByEpoch { after: Some(next) }))
            }
            Stage::Carts { after } => {
                let outcome = desk.submit(TrimCarts { fence, after }, None).await?;
                match outcome {
                    Outcome::Cart(cart::Outcome::Trimmed { next: Some(next), .. }) => {
                        Some(Stage::Carts { after: Some(next) })
                    }
                    _ => Some(Stage::Notifications { after: 0 }),
                }
            }
            Stage::Notifications { after } => {
                let ended_before: Timestamp = now.minus_millis(NOTIFICATIONS_KEPT_MILLIS);
                let look = move |view: &storage::View<'_>| {
                    notification::queries::ended_before(view, ended_before, after, NOTIFICATIONS_PER_STEP)
                };
                let (seqs, next) = desk.read(look).await?;
                if !seqs.is_empty() {
                    desk.submit(TrimNotifications { fence, seqs, ended_before }, None).await?;
                }
                Some(next.map_or(Stage::Texts { after: 0 }, |after| Stage::Notifications { after }))
            }
            Stage::Texts { after } => {
                let ended_before: Timestamp = now.minus_millis(NOTIFICATIONS_KEPT_MILLIS);
                let look = move |view: &storage::View<'_>| {
                    sms::queries::ended_before(view, ended_before, after, NOTIFICATIONS_PER_STEP)
                };
                let (seqs, next) = desk.read(look).await?;
                if !seqs.is_empty() {
                    desk.submit(TrimMessages { fence, seqs, ended_before }, None).await?;
                }
                Some(next.map_or(Stage::Events, |after| Stage::Texts { after }))
            }
            Stage::Events => {
                let below = desk.read(seen_by_all).await?.saturating_add(1);
                match desk.submit(TrimEvents { fence, below }, None).await? {
                    Outcome::Broker(broker::Outcome::Trimmed { more: true, .. }) => Some(Stage::Events),
                    _ => None,
                }
            }
        })
    }
}

/// The last event that no worker needs any more. In a cluster below the level of text messages nobody derives any.
pub(super) fn seen_by_all(view: &storage::View<'_>) -> Result<u64, storage::Fault> {
    let mails = notification::queries::cursor(view)?;
    Ok(sms::queries::cursor(view)?.map_or(mails, |texts| texts.min(mails)))
}

impl Reconciler for Retention {
    fn name(&self) -> &'static str {
        QUEUE
    }

    fn pass<'a>(&'a mut self, desk: &'a Desk, fences: &'a Fences) -> BoxFuture<'a, Result<Pass, Trouble>> {
        Box::pin(async move {
            let Some(fence) = fences.of(QUEUE) else { return Ok(Pass::Idle) };
            if self.rests_until.is_some_and(|until| Instant::now() < until) {
                return Ok(Pass::Idle);
            }
            let stage = self.stage.unwrap_or(Stage::PaymentStates);
            let began = Instant::now();
            self.stage = self.step(stage, desk, fence).await?;
            if let Some(next) = self.stage {
                if stage.walks_on_to(next) {
                    // Through a large shop it has thousands of steps, and nobody waits for it. But it must be quicker than
                    // what it trims comes in.
                    tokio::time::sleep(began.elapsed().min(LONGEST_REST)).await;
                }
                return Ok(Pass::More);
            }
            self.rests_until = Some(Instant::now() + PAUSE);
            Ok(Pass::Idle)
        })
    }
}

#[cfg(test)]
mod tests;
