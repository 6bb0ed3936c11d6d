use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::{Event, Nodes, Outcome, Standing, nodes};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Drains a node, ends that, or removes it for good. Whether a majority stays is for whoever proposes it to see to:
/// that is the log's membership, which is not here. The last node that belongs cannot be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetNodeStanding {
    pub id: u64,
    pub standing: Standing,
}

impl Execute for SetNodeStanding {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut record) = ctx.tx.get::<Nodes>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no node {}", self.id)).into());
        };
        let event = match (record.standing, self.standing) {
            (before, after) if before == after => return Ok(Outcome::Node { id: self.id }.into()),
            (Standing::Removed, _) => {
                let detail = format!("node {} was removed: its machine joins again, as a new node", self.id);
                return Err(Rejection::new(Code::NodeRemoved, detail).into());
            }
            (_, Standing::Active) => Event::NodeUndrained { node: self.id },
            (_, Standing::Draining) => Event::NodeDraining { node: self.id },
            (_, Standing::Removed) => {
                let others = nodes(&*ctx.tx)?.into_iter().filter(|(id, other)| *id != self.id && other.is_member());
                if others.count() == 0 {
                    let detail = format!("node {} is the last one", self.id);
                    return Err(Rejection::new(Code::Conflict, detail).into());
                }
                Event::NodeRemoved { node: self.id }
            }
        };
        record.standing = self.standing;
        record.changed_at = ctx.now;
        ctx.tx.put::<Nodes>(&self.id, &record)?;
        ctx.emit(crate::Event::Cluster(event));
        Ok(Outcome::Node { id: self.id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::SetNodeStanding;
    use crate::cluster::commands::fixtures::{first, redeem, token};
    use crate::cluster::{Standing, UpdateNode};
    use crate::testing::Bench;

    #[test]
    fn removal_is_for_good() {
        let mut bench = Bench::new();
        let id = first(&mut bench);
        let set = |standing| SetNodeStanding { id, standing };
        assert_eq!(bench.refused(set(Standing::Removed)).code.as_str(), "conflict", "the last one stays");
        let token = token(&mut bench, 60_000);
        bench.ok(redeem(token, 2));
        for standing in [Standing::Draining, Standing::Draining, Standing::Active, Standing::Removed] {
            bench.ok(set(standing));
        }
        bench.ok(set(Standing::Removed));
        assert_eq!(bench.refused(set(Standing::Active)).code.as_str(), "node_removed");
        assert_eq!(bench.refused(UpdateNode { id, ..UpdateNode::default() }).code.as_str(), "node_removed");
        let last = SetNodeStanding { id: 2, standing: Standing::Removed };
        assert_eq!(bench.refused(last).code.as_str(), "conflict");
        let changes = ["shopnode.node.draining.v1", "shopnode.node.undrained.v1", "shopnode.node.removed.v1"];
        assert_eq!(bench.event_kinds()[3..], changes);
    }
}
