use serde::{Deserialize, Serialize};
use storage::Read;

use super::change;
use crate::broker::Fence;
use crate::command::Execute;
use crate::sms::{self, Messages, State};
use crate::{Ctx, Halt, Outcome};

/// The most text messages that are begun at once.
pub const MAX_BEGUN: usize = 50;
/// From the beginning of a try to its first look-up. A worker that lives reports before.
const FIRST_LOOK_UP_MILLIS: u64 = 5_000;

/// Says that these text messages are being sent, before any request leaves. Only those that the answer names may be
/// sent: a worker that does not see yet what it has done itself is told nothing of those that it began before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginMessages {
    pub fence: Fence,
    /// By the event's sequence number; what is beyond [`MAX_BEGUN`] waits for the next time.
    pub seqs: Vec<u64>,
}

impl Execute for BeginMessages {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        self.fence.check(ctx.tx)?;
        let (attempt, since) = (ctx.index, ctx.now);
        let mut begun = Vec::new();
        for seq in self.seqs.iter().take(MAX_BEGUN) {
            let Some(mut message) = ctx.tx.get::<Messages>(seq)? else { continue };
            let State::Pending { .. } = message.state else { continue };
            let look_up_at = since.plus_millis(FIRST_LOOK_UP_MILLIS);
            change(ctx, *seq, &mut message, State::Sending { attempt, since, look_up_at, look_ups: 0 })?;
            begun.push(*seq);
        }
        Ok(Outcome::Sms(sms::Outcome::Begun { attempt, seqs: begun }))
    }
}
