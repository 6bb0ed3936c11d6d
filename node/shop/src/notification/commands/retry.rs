use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::notification::{Event, Notifications, NotificationsDue, State, Status, record};
use crate::rejection::Rejection;
use crate::tables::Present;
use crate::{Ctx, Event as ShopEvent, Halt, Outcome};

/// Makes a notification that has failed due again, with all tries before it: for whoever has mended what was in the way,
/// like a mail server that was down for days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryNotification {
    /// The sequence number of the event that it follows from.
    pub seq: u64,
}

impl Execute for RetryNotification {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        let seq = self.seq;
        let Some(mut notification) = ctx.tx.get::<Notifications>(&seq)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no notification {seq}")).into());
        };
        let why = match notification.state {
            State::Failed { .. } => None,
            State::Pending { .. } => Some("is still to be sent"),
            State::Sent { .. } => Some("was sent"),
        };
        if let Some(why) = why {
            return Err(Rejection::new(Code::Conflict, format!("notification {seq} {why}")).into());
        }
        notification.tries = 0;
        notification.state = State::Pending { next_at: ctx.now };
        record::store(ctx, seq, Some(Status::Failed), &notification)?;
        ctx.tx.put::<NotificationsDue>(&(ctx.now, seq), &Present)?;
        let (order, kind) = (notification.order, notification.kind);
        ctx.emit(ShopEvent::Notification(Event::Retried { order, kind, seq }));
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use storage::Read;

    use super::RetryNotification;
    use crate::Code;
    use crate::broker::Fence;
    use crate::ids::OrderId;
    use crate::level::FIRST_LEVEL;
    use crate::notification::{Delivery, Enqueue, Item, Kind, Notifications, QUEUE, Report, State, queries};
    use crate::testing::Bench;

    /// A shop at the level that knows the command, with a mail that is pending, one that was sent and one that has failed.
    fn bench() -> Bench {
        let mut bench = Bench::new();
        bench.active_version = 3;
        bench.lease(QUEUE);
        let item = |seq| Item { seq, kind: Kind::Shipped(1), order: OrderId([1; 16]) };
        bench.ok(Enqueue { fence: fence(), up_to: 3, items: [1, 2, 3].map(item).to_vec() });
        bench.ok(report(2, Delivery::Sent));
        for _ in 0..11 {
            let at = bench.now();
            bench.ok(report(3, Delivery::Retry { at }));
        }
        bench.ok(report(3, Delivery::Failed { reason: "451".into() }));
        bench
    }

    fn fence() -> Fence {
        Fence { queue: QUEUE.into(), epoch: 1 }
    }

    fn report(seq: u64, delivery: Delivery) -> Report {
        Report { fence: fence(), results: vec![(seq, delivery)] }
    }

    fn due(bench: &Bench) -> Vec<u64> {
        queries::due(&bench.view(), bench.now(), 9).unwrap().into_iter().map(|(seq, _)| seq).collect()
    }

    #[test]
    fn what_has_failed_is_due_again_with_all_its_tries() {
        let mut bench = bench();
        bench.pass_millis(1_000_000);
        assert_eq!(due(&bench), [1]);
        let at = bench.now();
        bench.ok(RetryNotification { seq: 3 });
        assert_eq!(due(&bench), [1, 3]);
        let found = bench.view().get::<Notifications>(&3).unwrap().unwrap();
        assert_eq!((found.tries, found.state), (0, State::Pending { next_at: at }));
        assert_eq!(bench.event_kinds().last().unwrap(), "shopnode.notification.retried.v1");
        bench.ok(report(3, Delivery::Sent));
        assert_eq!(due(&bench), [1]);
    }

    #[test]
    fn nothing_else_is_sent_again() {
        let mut bench = bench();
        let check = |bench: &mut Bench, seq, code: Code| {
            assert_eq!(bench.refused(RetryNotification { seq }).code, code, "{seq}");
        };
        check(&mut bench, 1, Code::Conflict);
        check(&mut bench, 2, Code::Conflict);
        check(&mut bench, 4, Code::NotFound);
        bench.ok(RetryNotification { seq: 3 });
        check(&mut bench, 3, Code::Conflict);
    }

    #[test]
    fn no_cluster_below_its_level_carries_it_out() {
        let mut bench = bench();
        for level in FIRST_LEVEL..3 {
            bench.active_version = level;
            assert_eq!(bench.refused(RetryNotification { seq: 3 }).code, Code::LevelTooLow, "{level}");
        }
    }
}
