use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::UnmatchedId;
use crate::outcome::Outcome;
use crate::payment::UnmatchedObjects;
use crate::rejection::{Halt, Rejection};

/// Takes an object out of quarantine: somebody has dealt with it. If it is reported again, it comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveUnmatched {
    pub unmatched: UnmatchedId,
}

impl Execute for ResolveUnmatched {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<Outcome, Halt> {
        if ctx.tx.delete::<UnmatchedObjects>(&self.unmatched)? {
            return Ok(Outcome::Done);
        }
        let detail = format!("there is no unmatched object {}", self.unmatched);
        Err(Rejection::new(Code::NotFound, detail).into())
    }
}
