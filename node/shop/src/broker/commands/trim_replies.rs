use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{Fence, Outcome, Replies};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// The most replies of one command.
pub const MAX_TRIMMED_REPLIES: usize = 900;

/// Removes stored replies whose time is over. Which ones is looked at again in log time: a reply that was stored anew
/// since the worker saw it stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimReplies {
    pub fence: Fence,
    /// At most [`MAX_TRIMMED_REPLIES`].
    pub keys: Vec<[u8; 32]>,
}

impl Execute for TrimReplies {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        self.fence.check(&*ctx.tx)?;
        if self.keys.len() > MAX_TRIMMED_REPLIES {
            return Err(Rejection::new(Code::CommandTooLarge, format!("at most {MAX_TRIMMED_REPLIES} replies at once")).into());
        }
        let mut removed = 0;
        for key in &self.keys {
            let stored = ctx.tx.get::<Replies>(key)?;
            if stored.is_some_and(|stored| ctx.now.since(stored.at) >= stored.kept_millis) {
                ctx.tx.delete::<Replies>(key)?;
                removed += 1;
            }
        }
        Ok(Outcome::Trimmed { removed, more: false }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::TrimReplies;
    use crate::apply::KEY_KEPT_MILLIS;
    use crate::broker::{AcquireLease, CreateTopic, Fence, Outcome, queries};
    use crate::command::Dedupe;
    use crate::testing::Bench;

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
