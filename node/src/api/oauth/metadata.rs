//! What others need to know of this authorization server: its keys and what it can do.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::{Deserialize, Serialize};
use shop::user::Scope;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::auth::{Jwk, verify};
use crate::gateway::{App, Policy, Problem, Routes, json};

pub fn routes(routes: Routes) -> Routes {
    let policy = Policy::open().stateless();
    routes.add(routes!(keys), policy).add(routes!(metadata), policy)
}

/// A JSON Web Key Set.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JwksView {
    pub keys: Vec<Jwk>,
}

/// The public keys that access tokens are checked with.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "auth", operation_id = "jwks",
    responses((status = 200, description = "A JSON Web Key Set", body = JwksView))
)]
async fn keys(State(app): State<App>) -> Result<Response, Problem> {
    let keys = verify::ensure_signing_key(&app).await?.published();
    let mut response = json(StatusCode::OK, &JwksView { keys }, None)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}

/// What this authorization server can do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MetadataView {
    pub issuer: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub scopes_supported: Vec<String>,
    /// None: there is no authorization endpoint.
    pub response_types_supported: Vec<String>,
    pub grant_types_supported: Vec<String>,
    pub token_endpoint_auth_methods_supported: Vec<String>,
    pub service_documentation: String,
}

/// The metadata of the authorization server (RFC 8414).
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "auth", operation_id = "oauth_metadata",
    responses((status = 200, description = "The metadata", body = MetadataView))
)]
async fn metadata(State(app): State<App>) -> Result<Response, Problem> {
    let base = &app.public_base;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let view = MetadataView {
        issuer: base.clone(),
        token_endpoint: format!("{base}/oauth/token"),
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        scopes_supported: Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect(),
        response_types_supported: Vec::new(),
        grant_types_supported: texts(&["client_credentials"]),
        token_endpoint_auth_methods_supported: texts(&["client_secret_basic", "client_secret_post"]),
        service_documentation: format!("{base}/openapi.json"),
    };
    json(StatusCode::OK, &view, None)
}
