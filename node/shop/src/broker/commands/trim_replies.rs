use serde::{Deserialize, Serialize};
use storage::{Read, Table};

use crate::apply::MAX_KEYS_PER_COMMAND;
use crate::broker::{Events, Fence, Kept, Outcome, Replies, StoredReply};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// The most replies of one command.
pub const MAX_TRIMMED_REPLIES: usize = 900;

/// Removes stored replies of `Replies` whose time is over, and the answers of theirs that are with events. Which ones is looked at again in log time: a reply that was stored anew
/// since the worker saw it stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimReplies {
    pub fence: Fence,
    /// At most [`MAX_TRIMMED_REPLIES`].
    pub keys: Vec<[u8; 32]>,
}

impl Execute for TrimReplies {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        trim::<Replies>(ctx, &self.fence, &self.keys)
    }
}

/// Removes those of these replies of a table whose time is over.
pub(super) fn trim<T: Table<Value = StoredReply>>(
    ctx: &mut Ctx<'_, '_>,
    fence: &Fence,
    keys: &[T::Key],
) -> Result<crate::Outcome, Halt> {
    fence.check(&*ctx.tx)?;
    if keys.len() > MAX_TRIMMED_REPLIES {
        let detail = format!("at most {MAX_TRIMMED_REPLIES} replies at once");
        return Err(Rejection::new(Code::CommandTooLarge, detail).into());
    }
    let mut removed = 0;
    for key in keys {
        let stored = ctx.tx.get::<T>(key)?;
        let Some(stored) = stored.filter(|stored| ctx.now.since(stored.at) >= stored.kept_millis) else {
            continue;
        };
        // What does not fit is found by the next sweep.
        if ctx.tx.changed_keys() + 2 > MAX_KEYS_PER_COMMAND {
            break;
        }
        // Its own answer alone: that of a reply given anew under the same hash is in another batch.
        if let Kept::InBatch(seq) = stored.answer
            && let Some(mut batch) = ctx.tx.get::<Events>(&seq)?
        {
            batch.answer = None;
            ctx.tx.put::<Events>(&seq, &batch)?;
        }
        ctx.tx.delete::<T>(key)?;
        removed += 1;
    }
    Ok(Outcome::Trimmed { removed, more: false }.into())
}

#[cfg(test)]
mod tests {
    use storage::{Read, Span};

    use super::TrimReplies;
    use crate::apply::KEY_KEPT_MILLIS;
    use crate::broker::{
        AcquireLease, CreateTopic, Events, Fence, Kept, Outcome, PublishEvent, Replies, TrimEvents, UpdateSettings,
        queries, settings,
    };
    use crate::codes::Code;
    use crate::command::Dedupe;
    use crate::testing::Bench;

    #[test]
    fn an_answer_stays_with_its_events_as_long_as_it_is_remembered() {
        let day = 24 * 60 * 60 * 1_000;
        for level in [5, 6] {
            let mut bench = Bench::new();
            bench.active_version = level;
            bench.ok(AcquireLease { queue: "retention".into(), holder: 1 });
            let fence = Fence { queue: "retention".into(), epoch: 1 };
            let events = bench.view().scan::<Events>(Span::all()).count();
            let name = |name: &str| CreateTopic { name: name.into(), partitions: 1, retention_days: None };
            let key = Dedupe::Key { scope: [1; 32], fingerprint: [7; 32] };
            let first = bench.reply(name("t"), key.clone());
            bench.ok(name("u"));
            let stored = |bench: &Bench| bench.view().get::<Replies>(&[1; 32]).unwrap();
            let is_in_batch = matches!(stored(&bench).unwrap().answer, Kept::InBatch(_));
            assert_eq!(is_in_batch, level >= 6);
            let answers = |bench: &Bench| {
                let view = bench.view();
                let batches = view.scan::<Events>(Span::all()).map(|entry| entry.unwrap().1);
                batches.filter(|batch| batch.answer.is_some()).count()
            };
            assert_eq!(answers(&bench), usize::from(level >= 6));

            // However early its events could go: the settings say 30 days.
            let mut settings = settings(&bench.view()).unwrap();
            settings.event_days = 1;
            bench.ok(UpdateSettings { settings, if_revision: None });
            bench.pass_millis(KEY_KEPT_MILLIS - day);
            let trim_events = TrimEvents { fence: fence.clone(), below: u64::MAX };
            bench.ok(trim_events.clone());
            let again = bench.reply(name("t"), key.clone());
            assert!(again.replayed && again.result == first.result, "level {level}: {again:?}");
            assert_eq!((again.index, again.at), (first.index, first.at));
            let other = Dedupe::Key { scope: [1; 32], fingerprint: [8; 32] };
            assert_eq!(bench.reply(name("t"), other).result.unwrap_err().code, Code::IdempotencyKeyReused);

            bench.pass_millis(2 * day);
            bench.ok(TrimReplies { fence: fence.clone(), keys: vec![[1; 32]] });
            assert_eq!((stored(&bench), answers(&bench)), (None, 0));
            bench.ok(trim_events);
            assert!(bench.view().scan::<Events>(Span::all()).count() <= events + 1, "only the last one stays");
        }
    }

    #[test]
    fn an_answer_whose_key_was_used_anew_holds_up_nothing() {
        let mut bench = Bench::new();
        bench.active_version = 6;
        bench.ok(AcquireLease { queue: "retention".into(), holder: 1 });
        let fence = Fence { queue: "retention".into(), epoch: 1 };
        let key = Dedupe::Key { scope: [1; 32], fingerprint: [7; 32] };
        let name = |name: &str| CreateTopic { name: name.into(), partitions: 1, retention_days: None };
        bench.reply(name("t"), key.clone()).result.unwrap();
        bench.pass_millis(KEY_KEPT_MILLIS);
        // Before a sweep has come by.
        let anew = bench.reply(name("u"), key);
        assert!(!anew.replayed && anew.result.is_ok(), "{anew:?}");
        bench.ok(name("v"));
        bench.pass_millis(40 * 24 * 60 * 60 * 1_000);
        bench.ok(TrimReplies { fence: fence.clone(), keys: vec![[1; 32]] });
        bench.ok(TrimEvents { fence, below: u64::MAX });
        assert_eq!(bench.view().scan::<Events>(Span::all()).count(), 1, "only the last one stays");
    }

    #[test]
    fn a_command_changes_no_more_keys_than_it_may() {
        let mut bench = Bench::new();
        bench.active_version = 6;
        bench.ok(AcquireLease { queue: "retention".into(), holder: 1 });
        let fence = Fence { queue: "retention".into(), epoch: 1 };
        let keys: Vec<[u8; 32]> = (0..600u16)
            .map(|number| {
                let mut key = [0; 32];
                key[..2].copy_from_slice(&number.to_be_bytes());
                key
            })
            .collect();
        for key in &keys {
            let event = PublishEvent { topic: "t".into(), kind: "t.seen.v1".into(), key: "k".into(), data: "1".into() };
            if *key == keys[0] {
                bench.ok(CreateTopic { name: "t".into(), partitions: 1, retention_days: None });
            }
            bench.reply(event, Dedupe::Key { scope: *key, fingerprint: [0; 32] }).result.unwrap();
        }
        bench.pass_millis(KEY_KEPT_MILLIS);
        let trim = TrimReplies { fence, keys };
        assert_eq!(bench.ok(trim.clone()), Outcome::Trimmed { removed: 500, more: false }.into());
        assert_eq!(bench.ok(trim), Outcome::Trimmed { removed: 100, more: false }.into());
    }

    #[test]
    fn only_what_is_over_goes() {
        let mut bench = Bench::new();
        bench.ok(AcquireLease { queue: "retention".into(), holder: 1 });
        let fence = Fence { queue: "retention".into(), epoch: 1 };
        let store = |bench: &mut Bench, scope: u8| {
            let command = CreateTopic { name: format!("t{scope}"), partitions: 1, retention_days: None };
            bench.reply(command, Dedupe::Key { scope: [scope; 32], fingerprint: [0; 32] }).result.unwrap();
        };
        store(&mut bench, 1);
        bench.pass_millis(KEY_KEPT_MILLIS / 2);
        store(&mut bench, 2);
        bench.pass_millis(KEY_KEPT_MILLIS / 2);
        let expired = |bench: &Bench| {
            let now = crate::time::Timestamp::from_millis(crate::testing::BEGIN_MILLIS + KEY_KEPT_MILLIS + 9);
            queries::expired_replies(&bench.view(), now, None).unwrap()
        };
        assert_eq!(expired(&bench), (vec![[1; 32]], None));
        let trim = TrimReplies { fence, keys: vec![[1; 32], [2; 32], [3; 32]] };
        assert_eq!(bench.ok(trim.clone()), Outcome::Trimmed { removed: 1, more: false }.into());
        assert_eq!(expired(&bench), (vec![], None));
        bench.ok(AcquireLease { queue: "retention".into(), holder: 2 });
        assert_eq!(bench.refused(trim).code.as_str(), "stale_epoch");
    }
}
