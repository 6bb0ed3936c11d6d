//! API clients and their keys. Secrets are shown once, in the answer that made them, and again only to who repeats that
//! very request with its `Idempotency-Key`.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shop::Code;
use shop::http::Page;
use shop::ids::{ApiKeyId, ClientId};
use shop::user::http::{
    ApiKeyCreated, ApiKeyInput, ClientCreated, ClientInput, ClientView, ClientsQuery, check_may_grant,
};
use shop::user::{Client, Outcome, RevokeApiKey, RevokeClient, Scope, api_key, client, clients};
use storage::View;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use crate::auth::{ApiKeySecret, PasswordError};
use crate::gateway::{Call, Json, PathId, Policy, Problem, Query, Routes, unexpected};
use crate::telemetry::Redacted;

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::staff(Scope::ClientsWrite))
        .add(routes!(create), Policy::staff(Scope::ClientsWrite))
        .add(routes!(get), Policy::staff(Scope::ClientsWrite))
        .add(routes!(revoke), Policy::staff(Scope::ClientsWrite))
        .add(routes!(create_key), Policy::staff(Scope::ClientsWrite))
        .add(routes!(revoke_key), Policy::staff(Scope::ClientsWrite))
}

/// Lists the API clients, revoked ones included.
#[utoipa::path(
    get, path = "/admin/v1/clients", tag = "clients", operation_id = "list_clients",
    params(ClientsQuery),
    responses((status = 200, description = "Clients", body = Page<ClientView>))
)]
async fn list(call: Call, Query(query): Query<ClientsQuery>) -> Result<Response, Problem> {
    let (after, limit) = query.read()?;
    let seen = call.read(move |view| {
        let found = clients(view, after, limit)?.try_map(|(id, client)| view_of(view, id, &client))?;
        Ok(Page::of(found, |view| view))
    });
    seen.await?.answer()
}

/// Creates an API client. Its secret is in this answer only.
#[utoipa::path(
    post, path = "/admin/v1/clients", tag = "clients", operation_id = "create_client",
    request_body = ClientInput,
    responses((status = 201, description = "The client and its secret", body = ClientCreated))
)]
async fn create(call: Call, body: Json<ClientInput>) -> Result<Response, Problem> {
    check_may_grant(call.principal.scopes(), body.value.scopes)?;
    let (name, scopes) = (body.value.name.clone(), body.value.scopes);
    let secret = URL_SAFE_NO_PAD.encode(minted(&call, body.fingerprint)?.as_slice());
    let hash = call.app.keys.passwords.hash(Redacted::new(secret.clone())).await.map_err(busy)?;
    let done = call.carry_out(body.value.command(hash)?, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::User(Outcome::Client { id }) => {
            let created = ClientCreated { client_id: *id, client_secret: secret, name, scopes };
            done.created(&format!("/admin/v1/clients/{id}"), &created)
        }
        other => Err(unexpected(other)),
    }
}

/// One API client, with its keys.
#[utoipa::path(
    get, path = "/admin/v1/clients/{id}", tag = "clients", operation_id = "get_client",
    params(("id" = ClientId, Path)),
    responses((status = 200, description = "The client", body = ClientView))
)]
async fn get(call: Call, PathId(id): PathId<ClientId>) -> Result<Response, Problem> {
    let seen = call.read(move |view| {
        let missing = || Problem::new(Code::NotFound, "there is no such client");
        let client = client(view, id)?.ok_or_else(missing)?;
        Ok(view_of(view, id, &client)?)
    });
    seen.await?.answer()
}

/// Revokes an API client with its tokens and keys, at once.
#[utoipa::path(
    delete, path = "/admin/v1/clients/{id}", tag = "clients", operation_id = "revoke_client",
    params(("id" = ClientId, Path)),
    responses((status = 204, description = "It is revoked"))
)]
async fn revoke(call: Call, PathId(id): PathId<ClientId>) -> Result<Response, Problem> {
    Ok(call.carry_out(RevokeClient { id }, call.no_body()).await?.no_content())
}

/// Creates an API key of a client. Its text is in this answer only.
#[utoipa::path(
    post, path = "/admin/v1/clients/{id}/keys", tag = "clients", operation_id = "create_api_key",
    params(("id" = ClientId, Path)),
    request_body = ApiKeyInput,
    responses((status = 201, description = "The key", body = ApiKeyCreated))
)]
async fn create_key(
    call: Call,
    PathId(client): PathId<ClientId>,
    body: Json<ApiKeyInput>,
) -> Result<Response, Problem> {
    check_may_grant(call.principal.scopes(), body.value.scopes)?;
    let ApiKeyInput { name, scopes, expires_at } = body.value.clone();
    let secret = ApiKeySecret::new(minted(&call, body.fingerprint)?);
    let command = body.value.command(Some(client), secret.hash())?;
    let done = call.carry_out(command, body.fingerprint).await?;
    match &done.outcome {
        shop::Outcome::User(Outcome::ApiKey { id }) => {
            let created = ApiKeyCreated { id: *id, key: secret.text(*id), name, scopes, expires_at };
            done.created(&format!("/admin/v1/keys/{id}"), &created)
        }
        other => Err(unexpected(other)),
    }
}

/// Revokes an API key, at once.
#[utoipa::path(
    delete, path = "/admin/v1/keys/{id}", tag = "clients", operation_id = "revoke_api_key",
    params(("id" = ApiKeyId, Path)),
    responses((status = 204, description = "It is revoked"))
)]
async fn revoke_key(call: Call, PathId(id): PathId<ApiKeyId>) -> Result<Response, Problem> {
    Ok(call.carry_out(RevokeApiKey { id }, call.no_body()).await?.no_content())
}

fn view_of(view: &View<'_>, id: ClientId, client: &Client) -> Result<ClientView, storage::Fault> {
    let mut keys = Vec::new();
    for id in &client.keys {
        keys.extend(api_key(view, *id)?.map(|key| (*id, key)));
    }
    Ok(ClientView::of(id, client, &keys))
}

fn minted(call: &Call, fingerprint: [u8; 32]) -> Result<Zeroizing<[u8; 32]>, Problem> {
    call.app.keys.minted.secret(&call.dedupe(fingerprint)).map_err(|error| {
        tracing::error!(%error, "a secret could not be made");
        Problem::new(Code::Internal, "a secret could not be made")
    })
}

fn busy(error: PasswordError) -> Problem {
    match error {
        PasswordError::Busy => Problem::new(Code::Overloaded, error.to_string()).retry_after(1),
        PasswordError::Failed => Problem::new(Code::Internal, error.to_string()),
    }
}
