use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::broker::{Group, Groups, MAX_GROUPS, MAX_MEMBERS, Outcome};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Makes a consumer a member of a group, which is made if it is not there. Always a new epoch, also for one that was a
/// member: what it did before it was restarted is fenced off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGroup {
    pub group: String,
    pub member: String,
}

impl Execute for JoinGroup {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let mut group = match ctx.tx.get::<Groups>(&self.group)? {
            Some(group) => group,
            None => self.make(ctx)?,
        };
        if let Err(at) = group.members.binary_search(&self.member) {
            if group.members.len() >= MAX_MEMBERS {
                let detail = format!("group {} has {MAX_MEMBERS} members", self.group);
                return Err(Rejection::new(Code::LimitReached, detail).into());
            }
            group.members.insert(at, self.member.clone());
        }
        group.epoch += 1;
        group.updated_at = ctx.now;
        ctx.tx.put::<Groups>(&self.group, &group)?;
        Ok(Outcome::Membership { epoch: group.epoch }.into())
    }
}

impl JoinGroup {
    fn make(&self, ctx: &mut Ctx<'_, '_>) -> Result<Group, Halt> {
        if ctx.tx.scan::<Groups>(Span::all()).take(MAX_GROUPS).count() >= MAX_GROUPS {
            return Err(Rejection::new(Code::LimitReached, format!("there are {MAX_GROUPS} groups")).into());
        }
        Ok(Group { epoch: 0, members: Vec::new(), created_at: ctx.now, updated_at: ctx.now })
    }
}

#[cfg(test)]
mod tests {
    use super::JoinGroup;
    use crate::broker::{LeaveGroup, Outcome, queries};
    use crate::testing::Bench;

    #[test]
    fn every_change_is_a_new_epoch() {
        let mut bench = Bench::new();
        let join = |member: &str| JoinGroup { group: "g".into(), member: member.into() };
        let epoch = |epoch| crate::Outcome::Broker(Outcome::Membership { epoch });
        assert_eq!(bench.ok(join("b")), epoch(1));
        assert_eq!(bench.ok(join("a")), epoch(2));
        assert_eq!(bench.ok(join("a")), epoch(3));
        assert_eq!(bench.ok(LeaveGroup { group: "g".into(), member: "b".into() }), epoch(4));
        let before = bench.store.digest();
        assert_eq!(bench.ok(LeaveGroup { group: "g".into(), member: "b".into() }), epoch(4));
        assert_eq!(before, bench.store.digest());
        assert_eq!(queries::group(&bench.view(), "g").unwrap().unwrap().members, ["a"]);
    }
}
