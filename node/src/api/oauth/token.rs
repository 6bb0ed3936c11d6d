//! Gives access tokens.

use axum::extract::{Extension, State};
use axum::response::Response;
use http::StatusCode;
use http::header::HeaderMap;
use serde::{Deserialize, Serialize};
use shop::Code;
use shop::ids::ClientId;
use shop::user::{self, Client, Scopes};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::form::{Form, credentials};
use super::refusal::{Refused, TokenErrorView, without_cache};
use crate::auth::{token, verify};
use crate::gateway::{App, ClientAddress, Media, Policy, Problem, Raw, Routes, json};
use crate::telemetry::Redacted;

/// Larger than any request for a token.
const BODY_BYTES: usize = 16 * 1024;

pub fn routes(routes: Routes) -> Routes {
    routes.add(routes!(issue), Policy::open().stateless().reads(Media::Form, Some(BODY_BYTES)))
}

/// The form of a request for a token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenRequest {
    #[schema(example = "client_credentials", pattern = "^client_credentials$")]
    pub grant_type: String,
    /// With `client_secret`, unless both come by HTTP Basic.
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    /// Texts with spaces between them; all that the client has, if missing.
    #[schema(example = "orders:place")]
    pub scope: Option<String>,
}

/// An access token (RFC 6749, section 5.1).
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub access_token: String,
    #[schema(example = "Bearer")]
    pub token_type: String,
    /// Seconds.
    #[schema(example = 900)]
    pub expires_in: u64,
    /// What it allows.
    pub scope: String,
}

/// Gives a client an access token for its id and secret, in the form or by HTTP Basic.
#[utoipa::path(
    post, path = "/oauth/token", tag = "auth", operation_id = "token",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "An access token (RFC 9068)", body = TokenView),
        (status = 400, description = "The request cannot be understood, or asks for what the client may not have", content(
            (TokenErrorView = "application/json"), (shop::http::Problem = "application/problem+json"))),
        (status = 401, description = "The client is unknown, revoked, or the secret is wrong", body = TokenErrorView,
            headers(("WWW-Authenticate" = String, description = "The challenge"))),
    )
)]
async fn issue(
    State(app): State<App>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let refused = match grant(&app, &headers, &body).await? {
        Ok(granted) => return Ok(without_cache(json(StatusCode::OK, &granted, None)?)),
        Err(refused) => refused,
    };
    if refused.status == StatusCode::UNAUTHORIZED {
        app.rate_limits.charge_failure(address)?;
    }
    refused.answer()
}

/// The client; looked for once more if it may have been made a moment ago on another node.
async fn client_of(app: &App, id: ClientId) -> Result<Option<Client>, Problem> {
    let look = || app.read_local(move |view| Ok(user::client(view, id)?));
    match look().await?.value {
        None => {
            verify::catch_up(app).await?;
            Ok(look().await?.value)
        }
        found => Ok(found),
    }
}

async fn grant(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Result<TokenView, Refused>, Problem> {
    let form = match Form::read(body) {
        Ok(form) => form,
        Err(refused) => return Ok(Err(refused)),
    };
    let (client_id, secret) = match credentials(headers, &form) {
        Ok(credentials) => credentials,
        Err(refused) => return Ok(Err(refused)),
    };
    let known: Option<ClientId> = client_id.parse().ok();
    let client = match known {
        Some(id) => client_of(app, id).await?,
        None => None,
    };
    let client = client.filter(|client| client.revoked_at.is_none());
    let hash = client.as_ref().map(|client| client.secret_hash.clone());
    let verified = app.keys.passwords.verify(Redacted::new(secret), hash).await;
    let right = verified.map_err(|error| Problem::new(Code::Overloaded, error.to_string()).retry_after(1))?;
    let (Some(id), Some(client), true) = (known, client, right) else { return Ok(Err(Refused::client())) };
    let scopes = match narrowed(client.scopes, form.scope.as_deref()) {
        Ok(scopes) => scopes.to_string(),
        Err(refused) => return Ok(Err(refused)),
    };
    let keys = verify::ensure_signing_key(app).await?;
    let (client_id, now_s) = (id.to_string(), app.clock.now_ms() / 1_000);
    let us = (app.public_base.as_str(), app.keys.audience.as_str());
    let access_token = token::issue(&keys, us, (&client_id, &scopes), now_s).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        Problem::new(Code::NotReady, "this shop has no key to sign tokens with yet").retry_after(1)
    })?;
    let token_type = "Bearer".to_owned();
    Ok(Ok(TokenView { access_token, token_type, expires_in: token::MOST_LIFETIME_S, scope: scopes }))
}

/// What the client asked for, if it may have it; all that it may have, if it asked for nothing.
fn narrowed(allowed: Scopes, asked: Option<&str>) -> Result<Scopes, Refused> {
    let Some(asked) = asked.filter(|asked| !asked.trim().is_empty()) else { return Ok(allowed) };
    match asked.parse::<Scopes>() {
        Ok(asked) if allowed.covers(asked) => Ok(asked),
        Ok(_) => Err(Refused::new("invalid_scope", "the client does not have all of these scopes")),
        Err(_) => Err(Refused::new("invalid_scope", "there is no such scope")),
    }
}
