//! `shopctl status`: whether the shop can serve, and who makes it up.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::table::{Cell, Table, Tone};

/// Show whether the shop serves, and its nodes
///
/// Exits with 1 if a node is not alive, no leader is known, or two nodes differ in what they hold.
#[derive(Debug, clap::Args)]
pub struct Status {}

/// The part of `GET /admin/v1/cluster` that is shown.
#[derive(Debug, Deserialize)]
struct Cluster {
    name: String,
    leader: Option<u64>,
    term: u64,
    commit_index: Option<u64>,
    active_version: u32,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: u64,
    role: String,
    state: String,
    zone: Option<String>,
    http: String,
    version: Option<String>,
    applied_index: Option<u64>,
    digest: Option<Digest>,
}

/// What the node held at an index.
#[derive(Debug, Deserialize)]
struct Digest {
    index: u64,
    value: String,
}

impl Status {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let answer = context.client.get(&["admin", "v1", "cluster"], &()).await?;
        context.output.answer(&answer.body, |cluster: &Cluster| vec![summary(cluster), nodes(cluster)])?;
        let cluster: Cluster = output::read(&answer.body)?;
        match troubles(&cluster) {
            troubles if troubles.is_empty() => Ok(()),
            troubles => Err(Failure::Failed(troubles.join("; "))),
        }
    }
}

fn summary(cluster: &Cluster) -> Table {
    let leader = match cluster.leader {
        Some(leader) => Cell::text(format!("node {leader}")),
        None => Cell::text("none").tone(Tone::Bad),
    };
    Table::details([
        ("name", Cell::text(&cluster.name)),
        ("leader", leader),
        ("term", Cell::number(cluster.term)),
        ("commit index", Cell::maybe(cluster.commit_index)),
        ("active version", Cell::number(cluster.active_version)),
    ])
}

fn nodes(cluster: &Cluster) -> Table {
    let mut table = Table::new(&["NODE", "ROLE", "STATE", "APPLIED", "DIGEST", "VERSION", "ZONE", "HTTP"]);
    for node in &cluster.nodes {
        let role = if cluster.leader == Some(node.id) {
            format!("{}, leader", node.role)
        } else {
            node.role.clone()
        };
        let digest = node.digest.as_ref().map(|digest| {
            let short: String = digest.value.chars().take(12).collect();
            format!("{short}@{}", digest.index)
        });
        table.row(vec![
            Cell::number(node.id),
            Cell::text(role),
            Cell::state(&node.state),
            Cell::maybe(node.applied_index),
            Cell::maybe(digest),
            Cell::maybe(node.version.as_ref()),
            Cell::maybe(node.zone.as_ref()),
            Cell::text(&node.http),
        ]);
    }
    table
}

/// What somebody has to look at; empty if nothing.
fn troubles(cluster: &Cluster) -> Vec<String> {
    let mut troubles = Vec::new();
    if cluster.leader.is_none() {
        troubles.push("no leader is known: the shop cannot accept changes".to_owned());
    }
    for node in cluster.nodes.iter().filter(|node| node.state != "alive") {
        troubles.push(format!("node {} is {}", node.id, node.state));
    }
    let mut at: BTreeMap<u64, &Digest> = BTreeMap::new();
    for digest in cluster.nodes.iter().filter_map(|node| node.digest.as_ref()) {
        if at.entry(digest.index).or_insert(digest).value != digest.value {
            troubles.push(format!("nodes differ in what they hold at index {}", digest.index));
        }
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut serde_json::Value), expect: &[&str]) {
        let mut cluster = serde_json::json!({
            "name": "shop", "leader": 1, "term": 3, "commit_index": 9, "active_version": 1,
            "nodes": [
                {"id": 1, "role": "voter", "state": "alive", "zone": null, "http": "127.0.0.1:8080",
                 "cluster": "127.0.0.1:9080", "version": "0.1.0", "applied_index": 9, "digest": {"index": 8, "value": "aa"}},
                {"id": 2, "role": "voter", "state": "alive", "zone": "b", "http": "127.0.0.1:8081",
                 "cluster": "127.0.0.1:9081", "version": "0.1.0", "applied_index": 9, "digest": {"index": 8, "value": "aa"}},
            ]
        });
        change(&mut cluster);
        let cluster: Cluster = serde_json::from_value(cluster).unwrap();
        assert_eq!(troubles(&cluster), expect);
        assert!(!nodes(&cluster).is_empty());
    }

    #[test]
    fn what_somebody_has_to_look_at_is_told() {
        check(|_| {}, &[]);
        check(
            |c| c["leader"] = serde_json::Value::Null,
            &["no leader is known: the shop cannot accept changes"],
        );
        check(|c| c["nodes"][1]["state"] = "fenced".into(), &["node 2 is fenced"]);
        check(
            |c| c["nodes"][1]["digest"]["value"] = "bb".into(),
            &["nodes differ in what they hold at index 8"],
        );
        check(|c| c["nodes"][1]["digest"]["index"] = 7.into(), &[]);
    }
}
