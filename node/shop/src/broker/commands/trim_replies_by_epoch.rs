use serde::{Deserialize, Serialize};

use super::trim_replies::trim;
use crate::broker::{Fence, RepliesByEpoch};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::Halt;

/// As [`TrimReplies`](crate::broker::TrimReplies), of `RepliesByEpoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimRepliesByEpoch {
    pub fence: Fence,
    /// Epoch and hash; at most [`MAX_TRIMMED_REPLIES`](crate::broker::MAX_TRIMMED_REPLIES).
    pub keys: Vec<(u64, [u8; 32])>,
}

impl Execute for TrimRepliesByEpoch {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        trim::<RepliesByEpoch>(ctx, &self.fence, &self.keys)
    }
}
