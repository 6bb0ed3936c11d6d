//! `shopctl member`: who belongs to the cluster and who votes.

use serde::Deserialize;

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{Cell, Table};

/// List the cluster's nodes, and say which of them vote
#[derive(Debug, clap::Subcommand)]
pub enum Member {
    /// List the nodes with their role, standing and lag
    List,
    /// Let a node vote that has caught up; the autopilot does so by itself
    Promote {
        /// The node's id, like 3
        node: u64,
    },
    /// Take the vote from a node, which goes on as a read replica; an enabled autopilot may give it back
    Demote {
        /// The node's id, like 3
        node: u64,
    },
    /// Remove a node for good; its machine can only come back as a new node
    Remove {
        /// The node's id, like 3
        node: u64,
    },
}

/// The part of `GET /admin/v1/cluster` that is shown.
#[derive(Debug, Deserialize)]
struct Cluster {
    leader: Option<u64>,
    nodes: Vec<Node>,
}

/// One node, as the routes about it answer.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    id: u64,
    name: String,
    role: String,
    standing: String,
    state: String,
    zone: String,
    cluster: String,
    applied_index: u64,
    lag: u64,
}

impl Member {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List => {
                let answer = context.client.get(&["admin", "v1", "cluster"], &()).await?;
                context
                    .output
                    .answer(&answer.body, |cluster: &Cluster| vec![table(&cluster.nodes, cluster.leader)])
            }
            Self::Promote { node } => order(context, node, "promote", "votes").await,
            Self::Demote { node } => order(context, node, "demote", "does not vote any more").await,
            Self::Remove { node } => {
                let path = ["admin", "v1", "cluster", "nodes", &node.to_string()];
                let answer = context.client.delete(&path).await?;
                context.ended(&answer, &format!("removed node {node}"))
            }
        }
    }
}

/// Orders something for one node, and shows the node as it is then.
pub(super) async fn order(context: &Context, node: u64, verb: &str, then: &str) -> Result<(), Failure> {
    let id = node.to_string();
    let path = ["admin", "v1", "cluster", "nodes", &id, verb];
    let answer = context.client.post(&path, &(), Payload::Nothing).await?;
    context.changed(&answer, |now: &Node| {
        (format!("node {node} {then}"), vec![table(std::slice::from_ref(now), None)])
    })
}

fn table(nodes: &[Node], leader: Option<u64>) -> Table {
    let mut table =
        Table::new(&["NODE", "NAME", "ROLE", "STANDING", "STATE", "APPLIED", "LAG", "ZONE", "ADDRESS"]);
    for node in nodes {
        let leads = if leader == Some(node.id) { ", leader" } else { "" };
        table.row(vec![
            Cell::number(node.id),
            Cell::text(&node.name),
            Cell::text(format!("{}{leads}", node.role)),
            Cell::state(&node.standing),
            Cell::state(&node.state),
            Cell::number(node.applied_index),
            Cell::number(node.lag),
            Cell::text(&node.zone),
            Cell::text(&node.cluster),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Cluster, table};

    #[test]
    fn the_leader_is_marked() {
        let cluster: Cluster = serde_json::from_value(serde_json::json!({
            "name": "shop", "leader": 2, "nodes": [
                {"id": 2, "name": "b", "role": "voter", "standing": "active", "state": "alive", "zone": "z",
                 "http": "", "cluster": "10.0.0.2:7000", "version": "0.1.0", "applied_index": 9, "lag": 1,
                 "load_per_mille": null, "unready": [], "digest": null},
            ]
        }))
        .unwrap();
        let text = table(&cluster.nodes, cluster.leader).render(None, false);
        assert!(text.contains("voter, leader") && text.contains("10.0.0.2:7000"), "{text}");
    }
}
