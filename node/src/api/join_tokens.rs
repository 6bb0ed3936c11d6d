//! Join tokens: each lets one machine become a node. The text is shown once, in the answer that made it, and again only
//! to who repeats that very request with its `Idempotency-Key`.

use axum::response::Response;
use net::{Pin, cluster_of_authority};
use shop::Code;
use shop::cluster::http::{JoinTokenCreated, JoinTokenInput, JoinTokenView, JoinTokensQuery};
use shop::cluster::{Outcome, RevokeJoinToken, join_tokens, trusted_authorities};
use shop::http::Page;
use shop::ids::JoinTokenId;
use shop::user::Scope;
use storage::View;
use utoipa_axum::routes;

use crate::enrolment::{JoinSecret, JoinTokenText};
use crate::gateway::{Call, Json, PathId, Policy, Problem, Query, Routes, unexpected};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::staff(Scope::ClusterRead))
        .add(routes!(create), Policy::staff(Scope::ClusterWrite))
        .add(routes!(revoke), Policy::staff(Scope::ClusterWrite))
}

/// Lists the join tokens, those that can no longer be used included, for a week.
#[utoipa::path(
    get, path = "/admin/v1/cluster/tokens", tag = "cluster", operation_id = "list_join_tokens",
    params(JoinTokensQuery),
    responses((status = 200, description = "Join tokens, oldest first", body = Page<JoinTokenView>))
)]
async fn list(call: Call, Query(query): Query<JoinTokensQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let now = call.app.clock.now();
    let seen = call.read(move |view| {
        let found = join_tokens(view, after, limit)?;
        Ok(Page::of(found, |(id, token)| JoinTokenView::of(id, &token, now)))
    });
    seen.await?.answer()
}

/// Creates a token with which one machine can join the cluster. It is in this answer only.
#[utoipa::path(
    post, path = "/admin/v1/cluster/tokens", tag = "cluster", operation_id = "create_join_token",
    request_body = JoinTokenInput,
    responses((status = 201, description = "The token", body = JoinTokenCreated))
)]
async fn create(call: Call, body: Json<JoinTokenInput>) -> Result<Response, Problem> {
    let pin = call.app.read_local(pin).await?.value;
    let minted = call.app.keys.minted.secret(&call.dedupe(body.fingerprint)).map_err(|error| {
        tracing::error!(%error, "a secret could not be made");
        Problem::new(Code::Internal, "a secret could not be made")
    })?;
    let secret = JoinSecret(minted);
    let done = call.carry_out(body.value.command(secret.hash())?, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::Cluster(Outcome::Token { id, expires_at, .. }) => {
            let token = JoinTokenText { id: *id, secret, pin }.text();
            let created = JoinTokenCreated { id: *id, token, expires_at: *expires_at };
            done.created(&format!("/admin/v1/cluster/tokens/{id}"), &created)
        }
        other => Err(unexpected(other)),
    }
}

/// Revokes a token that was not used, at once.
#[utoipa::path(
    delete, path = "/admin/v1/cluster/tokens/{id}", tag = "cluster", operation_id = "revoke_join_token",
    params(("id" = JoinTokenId, Path)),
    responses((status = 204, description = "It is revoked"))
)]
async fn revoke(call: Call, PathId(id): PathId<JoinTokenId>) -> Result<Response, Problem> {
    Ok(call.carry_out(RevokeJoinToken { id }, call.no_body()).await?.no_content())
}

/// What a token has to pin: the authority that signs.
fn pin(view: &View<'_>) -> Result<Pin, Problem> {
    let none =
        || Problem::new(Code::NotReady, "this node knows of no certificate authority yet").retry_after(1);
    let (authority_sha256, authority) = trusted_authorities(view)?.pop().ok_or_else(none)?;
    let cluster = cluster_of_authority(&authority.certificate_der).ok_or_else(none)?;
    Ok(Pin { authority_sha256, cluster })
}
