//! Nodes one by one: who votes, who drains, who leaves.

use axum::response::Response;
use http::StatusCode;
use shop::Code;
use shop::cluster::{self, SetNodeStanding, Standing};
use shop::user::Scope;
use utoipa_axum::routes;

use super::view::{NodeRole, NodeState, NodeView, view_of};
use crate::gateway::{Call, Empty, MaybeJson, PathId, Policy, Problem, Routes, json};
use crate::membership::Order;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(promote), Policy::only(Scope::ClusterWrite))
        .add(routes!(demote), Policy::only(Scope::ClusterWrite))
        .add(routes!(drain), Policy::only(Scope::ClusterWrite))
        .add(routes!(undrain), Policy::only(Scope::ClusterWrite))
        .add(routes!(compact), Policy::only(Scope::ClusterWrite))
        .add(routes!(remove), Policy::only(Scope::ClusterWrite))
}

/// Lets a learner vote. It must answer and have caught up as far as the autopilot asks.
#[utoipa::path(
    post, path = "/admin/v1/cluster/nodes/{id}/promote", tag = "cluster", operation_id = "promote_node",
    params(("id" = u64, Path, description = "The node")),
    request_body = Option<Empty>,
    responses((status = 200, description = "The node as it is now", body = NodeView))
)]
async fn promote(call: Call, PathId(node): PathId<u64>, _: MaybeJson<Empty>) -> Result<Response, Problem> {
    let settings = call.read(|view| Ok(cluster::autopilot(view)?)).await?;
    order(&call, node, Order::Promote { node, max_lag: settings.value.max_lag }).await
}

/// Takes the vote from a node, which stays as a learner. Refused when the rest would have no majority that answers.
#[utoipa::path(
    post, path = "/admin/v1/cluster/nodes/{id}/demote", tag = "cluster", operation_id = "demote_node",
    params(("id" = u64, Path, description = "The node")),
    request_body = Option<Empty>,
    responses((status = 200, description = "The node as it is now", body = NodeView))
)]
async fn demote(call: Call, PathId(node): PathId<u64>, _: MaybeJson<Empty>) -> Result<Response, Problem> {
    order(&call, node, Order::Demote { node }).await
}

/// Drains a node: it gives up the lead and its background work, and tells balancers to send it nothing new. It goes on to
/// answer, and to vote. Refused when no other node that votes would be in service.
#[utoipa::path(
    post, path = "/admin/v1/cluster/nodes/{id}/drain", tag = "cluster", operation_id = "drain_node",
    params(("id" = u64, Path, description = "The node")),
    request_body = Option<Empty>,
    responses((status = 200, description = "The node as it is now", body = NodeView))
)]
async fn drain(call: Call, PathId(node): PathId<u64>, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    if !another_serves(&call, node).await {
        let detail =
            format!("no node that votes is in service beside {node}: nobody would be left to answer");
        return Err(Problem::new(Code::LastVoter, detail));
    }
    stand(&call, node, Standing::Draining, body.fingerprint).await
}

/// Ends the draining of a node.
#[utoipa::path(
    post, path = "/admin/v1/cluster/nodes/{id}/undrain", tag = "cluster", operation_id = "undrain_node",
    params(("id" = u64, Path, description = "The node")),
    request_body = Option<Empty>,
    responses((status = 200, description = "The node as it is now", body = NodeView))
)]
async fn undrain(call: Call, PathId(node): PathId<u64>, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    stand(&call, node, Standing::Active, body.fingerprint).await
}

/// Asks a node to give its state new, small files, whatever the size of those in use. It does when it is its turn, one node of the
/// cluster at a time; its metrics and its log tell.
#[utoipa::path(
    post, path = "/admin/v1/cluster/nodes/{id}/compact", tag = "cluster", operation_id = "compact_node",
    params(("id" = u64, Path, description = "The node")),
    request_body = Option<Empty>,
    responses((status = 202, description = "It was asked; the node as it is now", body = NodeView))
)]
async fn compact(call: Call, PathId(node): PathId<u64>, _: MaybeJson<Empty>) -> Result<Response, Problem> {
    let view = now(&call, node).await?;
    call.app.core.compact(node, call.deadline).await?;
    json(StatusCode::ACCEPTED, &view, None)
}

/// Removes a node for good: its certificate is refused from now on, and its id is never given again. Refused when the
/// rest would have no majority that answers.
#[utoipa::path(
    delete, path = "/admin/v1/cluster/nodes/{id}", tag = "cluster", operation_id = "remove_node",
    params(("id" = u64, Path, description = "The node")),
    responses((status = 204, description = "It was removed"))
)]
async fn remove(call: Call, PathId(node): PathId<u64>) -> Result<Response, Problem> {
    call.app.core.order(Order::MayRemove { node }, call.deadline).await?;
    // While the others still talk to it: from its removal on they do not.
    if call.app.core.cluster().await.leader == Some(node) {
        call.app.core.order(Order::Transfer { to: None }, call.deadline).await?;
    }
    let done =
        call.carry_out(SetNodeStanding { id: node, standing: Standing::Removed }, call.no_body()).await?;
    // It is removed, whatever becomes of this: the autopilot takes out of the group whoever is left in it.
    if let Err(refusal) = call.app.core.order(Order::Remove { node }, call.deadline).await {
        tracing::warn!(node, code = %refusal.code, why = refusal.detail, "removed, and not yet out of the group");
    }
    Ok(done.no_content())
}

/// Whether a node beside this one votes, answers, and is not draining.
async fn another_serves(call: &Call, node: u64) -> bool {
    let serves = |view: &NodeView| view.role == NodeRole::Voter && view.state == NodeState::Alive;
    call.app.core.cluster().await.nodes.iter().any(|view| view.id != node && serves(view))
}

async fn order(call: &Call, node: u64, order: Order) -> Result<Response, Problem> {
    call.app.core.order(order, call.deadline).await?;
    json(StatusCode::OK, &now(call, node).await?, None)
}

async fn stand(
    call: &Call,
    node: u64,
    standing: Standing,
    fingerprint: [u8; 32],
) -> Result<Response, Problem> {
    let done = call.carry_out(SetNodeStanding { id: node, standing }, fingerprint).await?;
    // The answer shows the order, also where this node has not applied it yet.
    let view = NodeView { standing, ..now(call, node).await? };
    done.answer(StatusCode::OK, &view)
}

async fn now(call: &Call, node: u64) -> Result<NodeView, Problem> {
    let missing = || Problem::new(Code::NotFound, format!("there is no node {node}"));
    view_of(call, node).await.ok_or_else(missing)
}
