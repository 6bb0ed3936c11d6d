//! Who leads.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop::user::Scope;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::gateway::{Call, MaybeJson, Policy, Problem, Routes, json};
use crate::membership::Order;

pub fn routes(routes: Routes) -> Routes {
    routes.add(routes!(transfer), Policy::only(Scope::ClusterWrite))
}

/// Where the lead shall go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransferInput {
    /// A node that votes; whoever is best able to take over unless given.
    #[schema(example = 2)]
    pub to: Option<u64>,
}

/// Who leads now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaderView {
    /// The node id of the leader; null while there is none.
    pub leader: Option<u64>,
    pub term: u64,
}

/// Hands the lead to another node, and answers when that leads.
#[utoipa::path(
    post, path = "/admin/v1/cluster/leader/transfer", tag = "cluster", operation_id = "transfer_leader",
    request_body = Option<TransferInput>,
    responses((status = 200, description = "Who leads now", body = LeaderView))
)]
async fn transfer(call: Call, body: MaybeJson<TransferInput>) -> Result<Response, Problem> {
    let to = body.value.unwrap_or_default().to;
    call.app.core.order(Order::Transfer { to }, call.deadline).await?;
    let cluster = call.app.core.cluster().await;
    // This node may hear of it a moment later than the one that asked.
    json(StatusCode::OK, &LeaderView { leader: to.or(cluster.leader), term: cluster.term }, None)
}
