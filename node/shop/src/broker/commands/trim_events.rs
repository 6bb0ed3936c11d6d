use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::apply::KEY_KEPT_MILLIS;
use crate::broker::{Events, Fence, Outcome, Topics, settings};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::event::{Batch, Event};
use crate::inventory;
use crate::rejection::Halt;
use crate::time::Timestamp;

/// The most keys of one trim: below the bound of 1,000, whatever the last batch needs.
const MAX_KEYS: usize = 900;
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// Removes the oldest batches of the feed, in order, as long as every event in them is below `below` and older than its
/// topic is kept, and no answer that is with them may still be asked for: the feed has one beginning, so the longest retention at its front holds up the rest. The last batch
/// always stays: it has the counters. What the removed movements did to stock goes into their rows' opening levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimEvents {
    pub fence: Fence,
    /// Only events with a lower sequence number.
    pub below: u64,
}

impl Execute for TrimEvents {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        let retention = Retention::read(ctx)?;
        let (mut removed, mut more) = (0, false);
        let mut oldest = next_batch(ctx, 0)?;
        while let Some((first, batch)) = oldest {
            let Some(following) = next_batch(ctx, first + 1)? else { break };
            if batch.counters.next_seq > self.below || !retention.is_over(&batch, ctx.now) {
                break;
            }
            if ctx.tx.changed_keys() + 1 + movements(&batch).count() > MAX_KEYS && removed > 0 {
                more = true;
                break;
            }
            for movement in movements(&batch) {
                inventory::fold(ctx.tx, movement)?;
            }
            ctx.tx.delete::<Events>(&first)?;
            removed += 1;
            oldest = Some(following);
        }
        Ok(Outcome::Trimmed { removed, more }.into())
    }
}

fn next_batch(ctx: &Ctx<'_, '_>, from: u64) -> Result<Option<(u64, Batch)>, Halt> {
    Ok(ctx.tx.scan::<Events>(Span::from(&from)).next().transpose()?)
}

fn movements(batch: &Batch) -> impl Iterator<Item = &inventory::Movement> {
    batch.events.iter().filter_map(|event| match event {
        Event::Inventory(inventory::Event::Moved(movement)) => Some(movement),
        _ => None,
    })
}

/// How long events are kept, by topic.
struct Retention {
    usual_millis: u64,
    longer_millis: BTreeMap<String, u64>,
}

impl Retention {
    fn read(ctx: &Ctx<'_, '_>) -> Result<Self, Halt> {
        let usual_millis = u64::from(settings(&*ctx.tx)?.event_days) * DAY_MILLIS;
        let mut longer_millis = BTreeMap::new();
        for record in ctx.tx.scan::<Topics>(Span::all()) {
            let (name, topic) = record?;
            if let Some(days) = topic.retention_days {
                longer_millis.insert(name, usual_millis.max(u64::from(days) * DAY_MILLIS));
            }
        }
        Ok(Self { usual_millis, longer_millis })
    }

    fn is_over(&self, batch: &Batch, now: Timestamp) -> bool {
        // By its time, not by its being there: one whose key was used anew when its time was over is nobody's any more.
        if batch.answer.is_some() && now.since(batch.at) < KEY_KEPT_MILLIS {
            return false;
        }
        let kept = |event: &Event| *self.longer_millis.get(event.describe().topic()).unwrap_or(&self.usual_millis);
        let kept_millis = batch.events.iter().map(kept).max().unwrap_or(self.usual_millis);
        now.since(batch.at) >= kept_millis
    }
}

#[cfg(test)]
mod tests {
    use storage::Read;

    use super::{DAY_MILLIS, TrimEvents};
    use crate::broker::{AcquireLease, CreateTopic, Fence, Outcome, PublishEvent, queries};
    use crate::inventory::{AdjustStock, CreateLocation, Stock};
    use crate::testing::Bench;

    fn shop() -> (Bench, Fence) {
        let mut bench = Bench::new();
        bench.ok(AcquireLease { queue: "retention".into(), holder: 1 });
        bench.ok(CreateTopic { name: "acme".into(), partitions: 1, retention_days: Some(100) });
        (bench, Fence { queue: "retention".into(), epoch: 1 })
    }

    fn publish(bench: &mut Bench) {
        let (topic, kind, key) = ("acme".to_owned(), "acme.seen.v1".to_owned(), "k".to_owned());
        bench.ok(PublishEvent { topic, kind, key, data: "1".into() });
    }

    fn trim(bench: &mut Bench, fence: &Fence, below: u64) -> (u32, bool) {
        match bench.ok(TrimEvents { fence: fence.clone(), below }) {
            crate::Outcome::Broker(Outcome::Trimmed { removed, more }) => (removed, more),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_old_and_below_goes_and_never_the_last() {
        let (mut bench, fence) = shop();
        publish(&mut bench);
        publish(&mut bench);
        assert_eq!(trim(&mut bench, &fence, u64::MAX), (0, false), "all is young");
        bench.pass_millis(30 * DAY_MILLIS);
        assert_eq!(trim(&mut bench, &fence, 2), (1, false), "the topic's creation, kept 30 days");
        assert_eq!(trim(&mut bench, &fence, u64::MAX), (0, false), "the topic's own events are kept 100 days");
        bench.pass_millis(70 * DAY_MILLIS);
        assert_eq!(trim(&mut bench, &fence, u64::MAX), (1, false), "the last batch stays");
        assert_eq!(queries::first_seq(&bench.view()).unwrap(), 3);
        bench.shop.forget();
        publish(&mut bench);
        assert_eq!(queries::last_seq(&bench.view()).unwrap(), 4, "a restarted node goes on counting");
        bench.ok(AcquireLease { queue: "retention".into(), holder: 2 });
        assert_eq!(bench.refused(TrimEvents { fence, below: 9 }).code.as_str(), "stale_epoch");
    }

    #[test]
    fn steps_are_bounded_and_stock_stays_the_sum_of_its_movements() {
        let (mut bench, fence) = shop();
        bench.ok(CreateLocation { name: "here".into() });
        crate::catalog::commands::fixtures::create(&mut bench, crate::catalog::commands::fixtures::tea("tea", "TEA-1"));
        for _ in 0..1_000 {
            bench.ok(AdjustStock { sku: "TEA-1".parse().unwrap(), location: None, by: 2, reason: None });
        }
        bench.pass_millis(100 * DAY_MILLIS);
        assert_eq!(trim(&mut bench, &fence, u64::MAX), (898, true));
        let row = |bench: &Bench| bench.view().scan::<Stock>(storage::Span::all()).next().unwrap().unwrap().1;
        let opening = row(&bench).opening.on_hand;
        let kept = 2_000 - opening;
        let page_of = |bench: &Bench| {
            let events = bench.events();
            let moved = events.iter().filter_map(|event| match event {
                crate::Event::Inventory(crate::inventory::Event::Moved(movement)) => Some(movement.change.on_hand),
                _ => None,
            });
            moved.sum::<i64>()
        };
        assert_eq!(page_of(&bench), kept);
        assert!(trim(&mut bench, &fence, u64::MAX).0 > 0);
        assert_eq!(row(&bench).opening.on_hand + page_of(&bench), row(&bench).levels.on_hand);
    }
}
