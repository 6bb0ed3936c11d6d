//! Upgrading the cluster's program: how far it is, and its end.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::cluster::{self, RaiseActiveVersion, Standing};
use shop::user::Scope;
use shop::{Code, Levels, Timestamp};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::view::{ClusterView, NodeState, NodeView};
use crate::gateway::{Call, Consistency, Empty, MaybeJson, Policy, Problem, Routes, json};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(get), Policy::only(Scope::ClusterRead).stateless())
        .add(routes!(finalize), Policy::only(Scope::ClusterWrite))
}

/// How far the cluster's upgrade is, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeView {
    /// By which rules the cluster computes. Programs that do not support it refuse to start.
    pub active_version: u32,
    /// Since when, and through which program; null if it was never raised.
    pub raised: Option<RaiseView>,
    /// The highest version that the programs of the nodes support.
    pub newest_version: u32,
    /// What is to be done next.
    pub step: UpgradeStep,
    /// The same for a person, with the nodes' ids.
    pub advice: String,
    pub nodes: Vec<UpgradeNode>,
}

/// How the active version was raised last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RaiseView {
    /// The version of the program: that one or a later one supports it.
    pub program: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeStep {
    /// Nothing: the active version is the newest that any node supports.
    None,
    /// Some nodes run an older program than others, or do not answer.
    UpgradeNodes,
    /// Every node supports a newer version: the upgrade can be ended, or any node put back.
    Finalize,
}

/// One node in an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeNode {
    pub id: u64,
    pub name: String,
    /// The version of its program, as it told last.
    pub version: String,
    /// The active versions that its program supports; null when it does not answer.
    pub levels: Option<Levels>,
    /// When its program was started, by its own clock; null when it does not say.
    pub started_at: Option<Timestamp>,
    pub standing: Standing,
    pub state: NodeState,
    pub leads: bool,
    pub applied_index: u64,
    /// Committed entries that it has not applied, as far as the node that answers knows.
    pub lag: u64,
}

impl UpgradeView {
    fn new(cluster: ClusterView, raised: Option<RaiseView>) -> UpgradeView {
        let plan = Plan::of(&cluster);
        let node = |node: NodeView| UpgradeNode {
            leads: cluster.leader == Some(node.id),
            id: node.id,
            name: node.name,
            version: node.version,
            levels: node.levels,
            started_at: node.started_at,
            standing: node.standing,
            state: node.state,
            applied_index: node.applied_index,
            lag: node.lag,
        };
        UpgradeView {
            active_version: cluster.active_version,
            raised,
            newest_version: plan.newest,
            step: plan.step(cluster.active_version),
            advice: plan.advice(cluster.active_version),
            nodes: cluster.nodes.into_iter().map(node).collect(),
        }
    }
}

/// Which active versions are within reach.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// The highest that any node supports.
    newest: u32,
    /// The highest that all who answer support.
    common: u32,
    /// Who does not support the newest.
    old: Vec<u64>,
    /// Who does not answer: nobody knows what it supports.
    silent: Vec<u64>,
}

impl Plan {
    fn of(cluster: &ClusterView) -> Plan {
        // A node that was removed is told nothing any more; it may still be on its way out of the group.
        let belong = || cluster.nodes.iter().filter(|node| node.standing != Standing::Removed);
        let most = |node: &NodeView| node.levels.map(|levels| levels.most);
        let newest = belong().filter_map(most).max().unwrap_or(cluster.active_version);
        let old = belong().filter(|node| most(node).is_some_and(|most| most < newest));
        Plan {
            newest,
            common: belong().filter_map(most).min().unwrap_or(cluster.active_version),
            old: old.map(|node| node.id).collect(),
            silent: belong().filter(|node| node.levels.is_none()).map(|node| node.id).collect(),
        }
    }

    fn step(&self, active: u32) -> UpgradeStep {
        match () {
            () if self.newest <= active => UpgradeStep::None,
            () if self.target(active).is_ok() => UpgradeStep::Finalize,
            () => UpgradeStep::UpgradeNodes,
        }
    }

    /// Up to where the active version can be raised now.
    fn target(&self, active: u32) -> Result<u32, Problem> {
        if self.newest > active && (self.common <= active || !self.silent.is_empty()) {
            return Err(Problem::new(Code::UpgradeIncomplete, self.missing(active)));
        }
        Ok(self.common.max(active))
    }

    fn missing(&self, active: u32) -> String {
        let mut missing = Vec::new();
        if self.common <= active {
            missing.push(format!("{} older than version {}", are(&self.old), active + 1));
        }
        if !self.silent.is_empty() {
            missing.push(format!("{} silent", are(&self.silent)));
        }
        format!("the active version stays {active}: {}", missing.join(", "))
    }

    fn advice(&self, active: u32) -> String {
        match self.step(active) {
            UpgradeStep::None if self.silent.is_empty() => "nothing: no node supports a newer version".into(),
            UpgradeStep::None => format!("bring back who does not answer: {}", names(&self.silent)),
            UpgradeStep::Finalize if self.old.is_empty() => format!(
                "every node supports version {}: `shopctl upgrade finalize` ends the upgrade; until then any node can go \
                 back to the earlier program",
                self.newest
            ),
            UpgradeStep::Finalize => format!(
                "`shopctl upgrade finalize` raises the active version to {}; version {} needs newer programs: {}",
                self.common,
                self.newest,
                names(&self.old)
            ),
            UpgradeStep::UpgradeNodes => {
                let upgrade = self.old.first().map(|id| format!("`shopctl upgrade node {id}` is next"));
                let silent = format!("bring back or remove who does not answer: {}", names(&self.silent));
                let silent = (!self.silent.is_empty()).then_some(silent);
                upgrade.into_iter().chain(silent).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// `node 2 is`, `nodes 2, 3 are`.
fn are(nodes: &[u64]) -> String {
    format!("{} {}", names(nodes), if nodes.len() == 1 { "is" } else { "are" })
}

fn names(nodes: &[u64]) -> String {
    let ids: Vec<String> = nodes.iter().map(u64::to_string).collect();
    format!("{} {}", if nodes.len() == 1 { "node" } else { "nodes" }, ids.join(", "))
}

/// How far the cluster's upgrade is: which program each node runs, and what is to be done next. Every node is asked.
#[utoipa::path(
    get, path = "/admin/v1/cluster/upgrade", tag = "cluster", operation_id = "get_upgrade",
    responses((status = 200, description = "The upgrade", body = UpgradeView))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    json(StatusCode::OK, &view(&call).await?, None)
}

/// Ends an upgrade: raises the active version to the newest that every node supports. There is no way back to programs
/// that do not support it. Refused while a node is too old or does not answer; with nothing to raise it changes nothing.
#[utoipa::path(
    post, path = "/admin/v1/cluster/upgrade/finalize", tag = "cluster", operation_id = "finalize_upgrade",
    request_body = Option<Empty>,
    responses((status = 200, description = "The upgrade as it is now", body = UpgradeView))
)]
async fn finalize(call: Call, _: MaybeJson<Empty>) -> Result<Response, Problem> {
    // What is active already is known when this node has caught up.
    call.app.core.barrier(Consistency::Linearizable, None, call.deadline).await?;
    let cluster = call.app.core.cluster().await;
    let active = cluster.active_version;
    let target = Plan::of(&cluster).target(active)?;
    let mut index = None;
    for to in active + 1..=target {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let done = call.carry_on(RaiseActiveVersion { to, program }).await?;
        tracing::info!(active_version = to, "the cluster's active version was raised");
        index = Some(done.index);
    }
    // The answer shows it, also when the leader was another node.
    call.app.core.barrier(Consistency::Local, index, call.deadline).await?;
    json(StatusCode::OK, &view(&call).await?, None)
}

async fn view(call: &Call) -> Result<UpgradeView, Problem> {
    let cluster = call.app.core.cluster().await;
    let active = cluster.active_version;
    let raise = call.app.read_local(move |view| Ok(cluster::raise(view, active)?)).await?.value;
    Ok(UpgradeView::new(cluster, raise.map(|raise| RaiseView { program: raise.program, at: raise.at })))
}

#[cfg(test)]
mod tests {
    use shop::Levels;
    use shop::cluster::Standing;

    use super::{ClusterView, NodeState, NodeView, Plan, UpgradeStep};
    use crate::api::cluster::NodeRole;

    fn cluster(active_version: u32, most: &[Option<u32>]) -> ClusterView {
        let node = |(place, most): (usize, &Option<u32>)| NodeView {
            id: place as u64 + 1,
            name: String::new(),
            role: NodeRole::Voter,
            standing: Standing::Active,
            state: NodeState::Alive,
            zone: String::new(),
            http: String::new(),
            cluster: String::new(),
            version: "1".into(),
            levels: most.map(|most| Levels { least: 1, most }),
            started_at: None,
            applied_index: 1,
            lag: 0,
            load_per_mille: None,
            unready: Vec::new(),
            digest: None,
        };
        let nodes = most.iter().enumerate().map(node).collect();
        ClusterView { name: "s".into(), leader: Some(1), term: 1, commit_index: 1, active_version, nodes }
    }

    fn check(
        active: u32,
        most: &[Option<u32>],
        expect: UpgradeStep,
        target: Result<u32, &str>,
        advice: &str,
    ) {
        let plan = Plan::of(&cluster(active, most));
        assert_eq!(plan.step(active), expect, "{active} {most:?}");
        let found = plan.target(active);
        match target {
            Ok(target) => assert_eq!(found.unwrap(), target, "{active} {most:?}"),
            Err(why) => assert!(format!("{:?}", found.unwrap_err()).contains(why), "{active} {most:?}"),
        }
        assert!(plan.advice(active).contains(advice), "{}", plan.advice(active));
    }

    #[test]
    fn the_version_goes_as_far_as_every_node_does() {
        use UpgradeStep::{Finalize, None as Nothing, UpgradeNodes};
        let (one, two, three) = (Some(1), Some(2), Some(3));
        check(1, &[one, one, one], Nothing, Ok(1), "nothing");
        check(2, &[two, two, two], Nothing, Ok(2), "nothing");
        check(
            1,
            &[two, one, one],
            UpgradeNodes,
            Err("nodes 2, 3 are older than version 2"),
            "upgrade node 2",
        );
        check(1, &[two, two, one], UpgradeNodes, Err("node 3 is older than version 2"), "upgrade node 3");
        check(1, &[two, two, two], Finalize, Ok(2), "every node supports version 2");
        check(1, &[three, three, three], Finalize, Ok(3), "every node supports version 3");
        check(1, &[three, two, three], Finalize, Ok(2), "needs newer programs: node 2");
        check(1, &[two, two, None], UpgradeNodes, Err("node 3 is silent"), "does not answer: node 3");
        check(1, &[two, one, None], UpgradeNodes, Err("older than version 2, node 3 is silent"), "node 3");
        check(2, &[two, two, None], Nothing, Ok(2), "does not answer: node 3");
    }

    #[test]
    fn a_removed_node_holds_nothing_up() {
        let mut cluster = cluster(1, &[Some(2), Some(2), None]);
        assert!(Plan::of(&cluster).target(1).is_err());
        cluster.nodes[2].standing = Standing::Removed;
        assert_eq!(Plan::of(&cluster).target(1).unwrap(), 2);
    }
}
