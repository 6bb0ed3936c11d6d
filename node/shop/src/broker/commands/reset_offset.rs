use serde::{Deserialize, Serialize};
use storage::Read;

use super::commit_offsets::check_position;
use crate::broker::{Groups, Offset, Offsets, Outcome, Position};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Sets a group's position, backwards too: an operator's order to read again. A new epoch, so that no commit of before
/// undoes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetOffset {
    pub group: String,
    pub position: Position,
}

impl Execute for ResetOffset {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut group) = ctx.tx.get::<Groups>(&self.group)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no group {}", self.group)).into());
        };
        check_position(ctx, &self.position, "")?;
        let key = (self.group.clone(), self.position.topic.clone(), self.position.partition);
        ctx.tx.put::<Offsets>(&key, &Offset { seq: self.position.seq, updated_at: ctx.now })?;
        group.epoch += 1;
        group.updated_at = ctx.now;
        ctx.tx.put::<Groups>(&self.group, &group)?;
        Ok(Outcome::Membership { epoch: group.epoch }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::ResetOffset;
    use crate::broker::Position;
    use crate::testing::Bench;

    #[test]
    fn an_unknown_group_is_told() {
        let position = Position { topic: "orders".into(), partition: 0, seq: 0 };
        let reset = ResetOffset { group: "g".into(), position };
        assert_eq!(Bench::new().refused(reset).code.as_str(), "not_found");
    }
}
