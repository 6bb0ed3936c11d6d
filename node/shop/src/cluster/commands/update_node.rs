use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::{Event, NodeInfo, NodeRecord, Nodes, Outcome};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// What a node says of itself has changed: its name, zone, addresses or version. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateNode {
    pub id: u64,
    pub name: Option<String>,
    pub zone: Option<String>,
    pub cluster: Option<String>,
    pub http: Option<String>,
    pub version: Option<String>,
}

impl UpdateNode {
    fn changed(&self, node: &NodeRecord) -> NodeInfo {
        let or = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
        NodeInfo {
            name: or(&self.name, &node.name),
            zone: or(&self.zone, &node.zone),
            cluster: or(&self.cluster, &node.cluster),
            http: or(&self.http, &node.http),
            version: or(&self.version, &node.version),
        }
    }
}

impl Execute for UpdateNode {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(before) = ctx.tx.get::<Nodes>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no node {}", self.id)).into());
        };
        if !before.is_member() {
            return Err(Rejection::new(Code::NodeRemoved, format!("node {} was removed", self.id)).into());
        }
        let info = self.changed(&before);
        info.check()?;
        let NodeInfo { name, zone, cluster, http, version } = info;
        let mut after = NodeRecord { name, zone, cluster, http, version, ..before.clone() };
        if after != before {
            after.changed_at = ctx.now;
            ctx.tx.put::<Nodes>(&self.id, &after)?;
            ctx.emit(crate::Event::Cluster(Event::NodeUpdated { node: self.id }));
        }
        Ok(Outcome::Node { id: self.id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::UpdateNode;
    use crate::cluster::commands::fixtures::first;
    use crate::cluster::node;
    use crate::testing::Bench;

    #[test]
    fn only_what_is_told_changes() {
        let mut bench = Bench::new();
        let id = first(&mut bench);
        let moved = UpdateNode { id, cluster: Some("10.0.0.1:7000".into()), ..UpdateNode::default() };
        for _ in 0..2 {
            bench.ok(moved.clone());
        }
        let record = node(&bench.view(), id).unwrap().unwrap();
        assert_eq!((record.cluster.as_str(), record.name.as_str()), ("10.0.0.1:7000", "first"));
        assert_eq!(bench.event_kinds(), ["shopnode.node.joined.v1", "shopnode.node.updated.v1"]);
        let wrong = UpdateNode { id, cluster: Some(String::new()), ..UpdateNode::default() };
        assert_eq!(bench.refused(wrong).code.as_str(), "invalid_value");
        assert_eq!(bench.refused(UpdateNode { id: 7, ..moved }).code.as_str(), "not_found");
    }
}
