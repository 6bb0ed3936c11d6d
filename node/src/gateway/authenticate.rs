//! Step 4: who. An access token or an API key in `Authorization: Bearer` (RFC 6750); none is a guest; a bad one is
//! refused on every route, because whoever sends one does not mean to be a guest.

use std::time::Instant;

use axum::extract::Request;
use http::header::{AUTHORIZATION, HeaderMap};
use shop::Code;

use super::app::{App, Consistency, READ_TIMEOUT};
use super::authorize::unauthenticated;
use super::balance::PassedOn;
use super::hygiene::ClientAddress;
use super::problem::Problem;
use super::rate_limit::{RouteClass, Standing};
use super::route::min_index;
use crate::auth::{Principal, verify};

/// Finds out who calls, and counts the request against the client's limit; what the answer tells of that.
///
/// # Errors
/// `unauthenticated` for bad credentials, `index_not_reached` when this node is behind `Shopnode-Min-Index` for too long, `rate_limited` when there were too many.
pub async fn authenticate(app: &App, request: &mut Request) -> Result<Option<Standing>, Problem> {
    // The token endpoint has credentials of its own in this field, and its own way to refuse them (RFC 6749, 5.2).
    if request.uri().path().starts_with("/oauth/") {
        return Ok(None);
    }
    let class = RouteClass::of(request.method(), request.uri().path());
    // The node that passed a read on has counted its caller.
    let is_counted = request.extensions().get::<PassedOn>().is_some();
    let principal = match principal(app, request.headers()).await {
        Ok(principal) => principal,
        Err(problem) => {
            let address = request.extensions().get::<ClientAddress>();
            let charged = match (problem.code(), address) {
                (Code::Unauthenticated, Some(address)) if !is_counted => {
                    app.rate_limits.charge_failure(*address)
                }
                _ => Ok(()),
            };
            return Err(charged.err().unwrap_or(problem));
        }
    };
    let counted = principal.client().filter(|_| !is_counted);
    let standing = counted.map(|client| app.rate_limits.charge_client(client, class)).transpose()?;
    request.extensions_mut().insert(principal);
    Ok(standing.flatten())
}

async fn principal(app: &App, headers: &HeaderMap) -> Result<Principal, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), another) = (values.next(), values.next()) else { return Ok(Principal::Guest) };
    let refuse = |detail: &str| unauthenticated(detail, "invalid_token");
    let text =
        value.to_str().ok().filter(|_| another.is_none()).ok_or_else(|| refuse("send one Authorization"))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(refuse("the scheme of Authorization is Bearer")),
    };
    // Who names an index means a state in which its own key may be new, or revoked. What is no number the route refuses.
    if let Ok(Some(index)) = min_index(headers) {
        let deadline = Instant::now() + READ_TIMEOUT;
        app.core.barrier(Consistency::Local, Some(index), deadline).await?;
    }
    verify::bearer(app, token).await
}
