use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::cluster::{Event, NodeInfo, Nodes, Outcome, node};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Registers the first node of a cluster, which needs no token. Repeated with the same key: the same id. Refused as
/// soon as there is another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterNode {
    pub info: NodeInfo,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key_sha256: [u8; 32],
}

impl Execute for RegisterNode {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        if let Some(first) = ctx.tx.scan::<Nodes>(Span::all()).next() {
            let (id, first) = first?;
            if first.key_sha256 == self.key_sha256 {
                return Ok(Outcome::Node { id }.into());
            }
            return Err(Rejection::new(Code::Conflict, "the cluster has nodes: join it with a token").into());
        }
        let id = node::add(ctx.tx, ctx.now, &self.info, self.key_sha256)??;
        ctx.emit(crate::Event::Cluster(Event::NodeJoined { node: id }));
        Ok(Outcome::Node { id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::RegisterNode;
    use crate::cluster::commands::fixtures::{first, id_of, info};
    use crate::cluster::{Standing, node};
    use crate::testing::Bench;

    #[test]
    fn only_the_first_node_is_registered() {
        let mut bench = Bench::new();
        assert_eq!(first(&mut bench), 1);
        let again = RegisterNode { info: info("first"), key_sha256: [1; 32] };
        assert_eq!(id_of(bench.ok(again)), 1);
        let other = RegisterNode { info: info("second"), key_sha256: [2; 32] };
        assert_eq!(bench.refused(other).code.as_str(), "conflict");
        let record = node(&bench.view(), 1).unwrap().unwrap();
        assert_eq!((record.name.as_str(), record.standing), ("first", Standing::Active));
        assert_eq!(bench.event_kinds(), ["shopnode.node.joined.v1"]);
    }

    #[test]
    fn what_a_node_says_is_bounded() {
        let check = |change: fn(&mut RegisterNode), pointer: &str| {
            let mut command = RegisterNode { info: info("n"), key_sha256: [1; 32] };
            change(&mut command);
            assert_eq!(Bench::new().refused(command).errors[0].pointer, pointer);
        };
        check(|command| command.info.name = "x".repeat(65), "/name");
        check(|command| command.info.zone = "a\nb".into(), "/zone");
        check(|command| command.info.cluster = String::new(), "/cluster");
        check(|command| command.info.http = "h".repeat(262), "/http");
        check(|command| command.info.version = "1".repeat(65), "/version");
    }
}
