//! How the cluster is.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::cluster::Standing;
use shop::user::Scope;
use shop::{Levels, Timestamp};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::gateway::{Call, Policy, Problem, Routes, json};

pub fn routes(routes: Routes) -> Routes {
    routes.add(routes!(get), Policy::only(Scope::ClusterRead).stateless())
}

/// The cluster, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterView {
    pub name: String,
    /// The node id of the leader; null while there is none.
    pub leader: Option<u64>,
    pub term: u64,
    pub commit_index: u64,
    /// What every node is able to compute.
    pub active_version: u32,
    pub nodes: Vec<NodeView>,
}

/// One node that belongs to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    pub id: u64,
    pub name: String,
    pub role: NodeRole,
    /// What operators ordered for it.
    pub standing: Standing,
    /// How it seems to be.
    pub state: NodeState,
    pub zone: String,
    /// Where it serves HTTP.
    pub http: String,
    /// Where its peers reach it.
    pub cluster: String,
    pub version: String,
    /// The active versions that its program supports; null when it does not answer.
    pub levels: Option<Levels>,
    /// When its program was started, by its own clock; null when it does not say.
    pub started_at: Option<Timestamp>,
    pub applied_index: u64,
    /// Committed entries that it has not applied, as far as this node knows.
    pub lag: u64,
    /// Requests under way in its gateway, in thousandths of what it admits; null when it does not answer.
    pub load_per_mille: Option<u32>,
    /// Why it cannot serve, by its own account; empty when it can.
    pub unready: Vec<String>,
    /// The digest of its state, and at which index.
    pub digest: Option<DigestView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    Voter,
    /// Receives the log and does not vote.
    Learner,
    /// Enrolled, and not yet in the log's group.
    Joining,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    Alive,
    /// It does not answer this node, and others have heard it lately.
    Suspect,
    Down,
    Draining,
    Fenced,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DigestView {
    pub index: u64,
    /// 128 bits in hexadecimal. Equal on two nodes at one index, or one of them is wrong.
    pub value: String,
    /// The same for each table that has records, by its prefix in hexadecimal: which one it is that differs. Tables
    /// below 20 are the log's own (its clock is one: it moves with every entry, refused ones too).
    pub tables: BTreeMap<String, String>,
}

/// One node as it is now; `None` if no such node belongs.
pub(super) async fn view_of(call: &Call, node: u64) -> Option<NodeView> {
    call.app.core.cluster().await.nodes.into_iter().find(|view| view.id == node)
}

/// The cluster, as this node finds it: it asks every node how it is, and one that does not answer within half a second is
/// `down`. Digests are shown at the last index for which all nodes that answered have one.
#[utoipa::path(
    get, path = "/admin/v1/cluster", tag = "cluster", operation_id = "get_cluster",
    responses((status = 200, description = "Leader, indexes, nodes", body = ClusterView))
)]
async fn get(call: Call) -> Result<Response, Problem> {
    json(StatusCode::OK, &call.app.core.cluster().await, None)
}
