use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{Groups, Offset, Offsets, Position, Topics, queries};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// The most positions of one commit.
const MAX_POSITIONS: usize = 500;

/// Remembers how far a group is done. A position that is behind the one that is known changes nothing: commits arrive
/// late and twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitOffsets {
    pub group: String,
    /// The group's epoch as the consumer knows it: refused with `stale_epoch` if the membership has changed since.
    pub epoch: u64,
    pub positions: Vec<Position>,
}

impl Execute for CommitOffsets {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let epoch = ctx.tx.get::<Groups>(&self.group)?.map_or(0, |group| group.epoch);
        if epoch != self.epoch || epoch == 0 {
            let detail = format!("group {} is at epoch {epoch}, this commit is of epoch {}", self.group, self.epoch);
            return Err(Rejection::new(Code::StaleEpoch, detail).into());
        }
        if self.positions.len() > MAX_POSITIONS {
            let detail = format!("at most {MAX_POSITIONS} positions at once");
            return Err(Rejection::at(Code::InvalidValue, "/positions", detail).into());
        }
        for (at, position) in self.positions.iter().enumerate() {
            check_position(ctx, position, &format!("/positions/{at}"))?;
            let key = (self.group.clone(), position.topic.clone(), position.partition);
            let known = ctx.tx.get::<Offsets>(&key)?.map_or(0, |offset| offset.seq);
            if position.seq > known {
                ctx.tx.put::<Offsets>(&key, &Offset { seq: position.seq, updated_at: ctx.now })?;
            }
        }
        Ok(crate::Outcome::Done)
    }
}

/// A position is in a partition that there is, and not beyond the feed's end.
pub(super) fn check_position(ctx: &Ctx<'_, '_>, position: &Position, pointer: &str) -> Result<(), Halt> {
    let partitions = ctx.tx.get::<Topics>(&position.topic)?.map_or(0, |topic| topic.partitions);
    if position.partition >= partitions {
        let detail = format!("topic {} has {partitions} partitions", position.topic);
        return Err(Rejection::at(Code::InvalidValue, format!("{pointer}/partition"), detail).into());
    }
    let last = queries::last_seq(&*ctx.tx)?;
    if position.seq > last {
        let detail = format!("the last event is {last}");
        return Err(Rejection::at(Code::InvalidValue, format!("{pointer}/seq"), detail).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::CommitOffsets;
    use crate::broker::{CreateTopic, JoinGroup, Position, ResetOffset, queries};
    use crate::testing::Bench;

    fn commit(epoch: u64, partition: u16, seq: u64) -> CommitOffsets {
        let position = Position { topic: "orders".into(), partition, seq };
        CommitOffsets { group: "g".into(), epoch, positions: vec![position] }
    }

    fn offset(bench: &Bench) -> Option<u64> {
        let found = queries::offsets(&bench.view(), "g").unwrap();
        found.first().map(|(_, offset)| offset.seq)
    }

    #[test]
    fn an_offset_goes_forward_and_is_fenced() {
        let mut bench = Bench::new();
        for name in ["orders", "payments", "catalog"] {
            bench.ok(CreateTopic { name: name.into(), partitions: 2, retention_days: None });
        }
        assert_eq!(bench.refused(commit(0, 0, 1)).code.as_str(), "stale_epoch");
        bench.ok(JoinGroup { group: "g".into(), member: "a".into() });
        bench.ok(commit(1, 0, 2));
        assert_eq!(offset(&bench), Some(2));
        let before = bench.store.digest();
        bench.ok(commit(1, 0, 1));
        assert_eq!(before, bench.store.digest());
        bench.ok(JoinGroup { group: "g".into(), member: "b".into() });
        assert_eq!(bench.refused(commit(1, 0, 3)).code.as_str(), "stale_epoch");
        assert_eq!(bench.refused(commit(2, 2, 3)).errors[0].pointer, "/positions/0/partition");
        assert_eq!(bench.refused(commit(2, 0, 4)).errors[0].pointer, "/positions/0/seq");
        let position = Position { topic: "orders".into(), partition: 0, seq: 1 };
        bench.ok(ResetOffset { group: "g".into(), position });
        assert_eq!(offset(&bench), Some(1));
        assert_eq!(bench.refused(commit(2, 0, 3)).code.as_str(), "stale_epoch", "a reset fences consumers off");
    }
}
