use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{Groups, Outcome};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Ends a membership: of a consumer that says good-bye, or of one that the leader has not heard of for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveGroup {
    pub group: String,
    pub member: String,
}

impl Execute for LeaveGroup {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut group) = ctx.tx.get::<Groups>(&self.group)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no group {}", self.group)).into());
        };
        if let Ok(at) = group.members.binary_search(&self.member) {
            group.members.remove(at);
            group.epoch += 1;
            group.updated_at = ctx.now;
            ctx.tx.put::<Groups>(&self.group, &group)?;
        }
        Ok(Outcome::Membership { epoch: group.epoch }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::LeaveGroup;
    use crate::testing::Bench;

    #[test]
    fn an_unknown_group_is_told() {
        let leave = LeaveGroup { group: "g".into(), member: "a".into() };
        assert_eq!(Bench::new().refused(leave).code.as_str(), "not_found");
    }
}
