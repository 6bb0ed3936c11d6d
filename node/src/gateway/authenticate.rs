//! Step 4: who. An access token or an API key in `Authorization: Bearer` (RFC 6750); none is a guest; a bad one is
//! refused on every route, because whoever sends one does not mean to be a guest.

use std::time::Instant;

use axum::extract::Request;
use http::header::{AUTHORIZATION, HeaderMap};

use super::app::{App, Consistency, READ_TIMEOUT};
use super::authorize::unauthenticated;
use super::balance::PassedOn;
use super::hygiene::ClientAddress;
use super::problem::Problem;
use super::rate_limit::{RouteClass, Standing};
use super::route::min_index;
use crate::auth::Principal;
use crate::auth::verify::{self, Doubt};

/// Finds out who calls, and counts the request against the client's limit; what the answer tells of that.
///
/// # Errors
/// `unauthenticated` for bad credentials, `rate_limited` when there were too many, `index_not_reached` when this node is
/// behind `Shopnode-Min-Index` for too long; `no_quorum`, `not_ready` or `overloaded` when it does not know the caller and
/// cannot hear whether others do.
pub async fn authenticate(app: &App, request: &mut Request) -> Result<Option<Standing>, Problem> {
    // The token endpoint has credentials of its own in this field, and its own way to refuse them (RFC 6749, 5.2).
    if request.uri().path().starts_with("/oauth/") {
        return Ok(None);
    }
    let class = RouteClass::of(request.method(), request.uri().path());
    // The node that passed a read on has counted its caller.
    let is_counted = request.extensions().get::<PassedOn>().is_some();
    let address = request.extensions().get::<ClientAddress>().filter(|_| !is_counted).copied();
    let charge = || address.map_or(Ok(()), |address| app.rate_limits.charge_failure(address));
    let principal = principal(app, request.headers(), charge).await?;
    let counted = principal.client().filter(|_| !is_counted);
    let standing = counted.map(|client| app.rate_limits.charge_client(client, class)).transpose()?;
    request.extensions_mut().insert(principal);
    Ok(standing.flatten())
}

/// `charge` counts a failure against the caller's address; an error of its own says that there were too many.
async fn principal(
    app: &App,
    headers: &HeaderMap,
    charge: impl Fn() -> Result<(), Problem>,
) -> Result<Principal, Problem> {
    let token = match token(headers) {
        Ok(None) => return Ok(Principal::Guest),
        Ok(Some(token)) => token,
        Err(refused) => return Err(charge().err().unwrap_or(refused)),
    };
    let mut checked = verify::bearer(app, token).await?;
    match checked {
        // Who names an index means a state in which the key may be revoked. What is no number the route refuses.
        Ok(_) => {
            if let Ok(Some(index)) = min_index(headers) {
                let deadline = Instant::now() + READ_TIMEOUT;
                app.core.barrier(Consistency::Local, Some(index), deadline).await?;
                checked = verify::bearer(app, token).await?;
            }
        }
        // It costs a wait, so it is paid for before: the limit is what keeps keys from being made up.
        Err(Doubt::Unknown) => {
            charge()?;
            verify::catch_up(app).await?;
            return verify::bearer(app, token).await?.map_err(|_| invalid());
        }
        Err(Doubt::Invalid) => {}
    }
    checked.or_else(|_| charge().and(Err(invalid())))
}

fn invalid() -> Problem {
    let detail = "the token or key is not valid: it is expired, revoked, or not of this shop";
    unauthenticated(detail, "invalid_token")
}

/// What is presented, if anything.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), another) = (values.next(), values.next()) else { return Ok(None) };
    let refuse = |detail: &str| unauthenticated(detail, "invalid_token");
    let text =
        value.to_str().ok().filter(|_| another.is_none()).ok_or_else(|| refuse("send one Authorization"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(refuse("the scheme of Authorization is Bearer")),
    }
}
