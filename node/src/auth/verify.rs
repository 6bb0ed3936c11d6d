//! Checks what came in `Authorization: Bearer`. Whatever it is, its client or key is looked up in the replicated state,
//! or remembered until a commit changes it: a revocation bites with the commit that makes it.

use std::sync::Arc;
use std::time::Instant;

use shop::user::{self, AddSigningKey};
use shop::{Actor, Code, Timestamp};

use super::api_key::ApiKeySecret;
use super::keys::ReadKeys;
use super::signing::{SigningKeys, new_signing_key};
use super::token::Presented;
use super::{Principal, token};
use crate::gateway::{App, Consistency, Problem, READ_TIMEOUT, SUBMIT_TIMEOUT};

/// The longest token that is looked at.
const TOKEN_BYTES: usize = 4 * 1024;

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// This node has no client, key or signing key of that name: it may have been made a moment ago on another one, and after
    /// [`catch_up`] it is there.
    Unknown,
    /// It is expired, revoked, or none at all.
    Invalid,
}

type Checked = Result<Principal, Doubt>;

/// Whose token it is, as this node knows.
///
/// # Errors
/// When the state cannot be read. Doubts are no errors.
pub async fn bearer(app: &App, text: &str) -> Result<Checked, Problem> {
    match ApiKeySecret::parse(text) {
        Some((id, secret)) => api_key(app, id, secret).await,
        None if text.len() <= TOKEN_BYTES => access_token(app, text).await,
        None => Ok(Err(Doubt::Invalid)),
    }
}

async fn api_key(app: &App, id: shop::ids::ApiKeyId, secret: ApiKeySecret) -> Result<Checked, Problem> {
    let now = app.clock.now();
    let (key, client) = match app.core.known().key(id) {
        Ok(known) => known,
        Err(epoch) => {
            let seen = app.read_local(move |view| {
                let Some(key) = user::api_key(view, id)? else { return Ok(None) };
                let client = key.client.map(|client| user::client(view, client)).transpose()?.flatten();
                Ok(Some((key, client)))
            });
            let Some(found) = seen.await?.value else { return Ok(Err(Doubt::Unknown)) };
            app.core.known().remember_key(epoch, id, found.clone());
            found
        }
    };
    // A key of a client is worth nothing without the client, and never more than it.
    let scopes = match (key.client, client) {
        (None, _) => key.scopes,
        (Some(_), Some(client)) if client.revoked_at.is_none() => key.scopes.intersection(client.scopes),
        (Some(_), _) => return Ok(Err(Doubt::Invalid)),
    };
    // Compared before the dates, so that only who has the secret can tell a revoked key from a wrong one.
    let valid = secret.matches(&key.secret_sha256) && key.is_valid_at(now);
    Ok(valid.then_some(Principal::ApiKey { id, client: key.client, scopes }).ok_or(Doubt::Invalid))
}

async fn access_token(app: &App, text: &str) -> Result<Checked, Problem> {
    let presented = Presented::new(text);
    let keys = match in_memory(app).filter(|keys| presented.is_known_to(keys)) {
        Some(keys) => keys,
        None => {
            let Some(key_id) = token::key_id(text) else { return Ok(Err(Doubt::Invalid)) };
            match signing_keys(app, Some(&key_id)).await? {
                keys if keys.verifier(&key_id).is_some() => keys,
                _ => return Ok(Err(Doubt::Unknown)),
            }
        }
    };
    let expected = (app.keys.issuer.as_deref(), app.keys.audience.as_str());
    let now_s = app.clock.now_ms() / 1_000;
    let Ok(claims) = token::check(&keys, expected, presented, now_s) else { return Ok(Err(Doubt::Invalid)) };
    let (Ok(id), Ok(scopes)) = (claims.client_id.parse(), claims.scope.parse::<user::Scopes>()) else {
        return Ok(Err(Doubt::Invalid));
    };
    let client = match app.core.known().client(id) {
        Ok(known) => known,
        Err(epoch) => {
            let seen = app.read_local(move |view| Ok(user::client(view, id)?));
            let Some(found) = seen.await?.value else { return Ok(Err(Doubt::Unknown)) };
            app.core.known().remember_client(epoch, id, found.clone());
            found
        }
    };
    let valid = client.revoked_at.is_none();
    let principal = Principal::Client { id, scopes: scopes.intersection(client.scopes) };
    Ok(valid.then_some(principal).ok_or(Doubt::Invalid))
}

/// Waits until this node has what was committed anywhere before. For callers whom nobody knows yet, so few at once: a flood
/// of made-up keys costs the leader no more than these.
///
/// # Errors
/// `overloaded` when too many wait; `no_quorum` or `not_ready` when nobody can tell.
pub async fn catch_up(app: &App) -> Result<(), Problem> {
    let Ok(_place) = app.strangers.try_acquire() else {
        return Err(Problem::new(Code::Overloaded, "too many callers are unknown here").retry_after(1));
    };
    // Half of it: what the caller wants may have to wait as well.
    let deadline = Instant::now() + READ_TIMEOUT / 2;
    Ok(app.core.barrier(Consistency::Linearizable, None, deadline).await?)
}

/// The signing keys as they were read last, if they are still those of the state.
fn in_memory(app: &App) -> Option<Arc<SigningKeys>> {
    let known = app.keys.signing.load_full()?;
    let are_current = known.are_current(app.core.known().signing_epoch(), app.clock.now());
    are_current.then(|| Arc::clone(&known.keys))
}

/// The signing keys; read again from the state when `wanted` is not among those in memory, or there are none.
///
/// # Errors
/// `storage_fault`; `internal` when the state's keys cannot be opened with this node's seal key.
pub async fn signing_keys(app: &App, wanted: Option<&str>) -> Result<Arc<SigningKeys>, Problem> {
    if let Some(keys) = in_memory(app)
        && (wanted.is_some_and(|id| keys.verifier(id).is_some())
            || (wanted.is_none() && keys.signer().is_some()))
    {
        return Ok(keys);
    }
    reload(app).await
}

/// Reads the signing keys from the state.
///
/// # Errors
/// As [`signing_keys`].
pub async fn reload(app: &App) -> Result<Arc<SigningKeys>, Problem> {
    let (now, epoch) = (app.clock.now(), app.core.known().signing_epoch());
    let mut keys = app.read_local(|view| Ok(user::signing_keys(view)?)).await?.value;
    // What was signed last before a key was retired has expired a lifetime later; then nothing may be signed with it.
    keys.retain(|(_, key)| key.retired_at.is_none_or(|at| now <= verifies_until(at)));
    let until = keys.iter().filter_map(|(_, key)| key.retired_at).map(verifies_until).min();
    // Retired ones first: the newest that is not retired signs.
    keys.sort_by_key(|(_, key)| (key.retired_at.is_none(), key.created_at));
    let signs = keys.last().is_some_and(|(_, key)| key.retired_at.is_none());
    let keys = keys.into_iter().map(|(id, key)| (id, key.public_key, key.sealed_private_key)).collect();
    let opened = SigningKeys::open(keys, signs, &app.keys.seal).map_err(|error| {
        tracing::error!(%error, "the signing key of the state cannot be opened with this node's seal key");
        Problem::new(Code::Internal, "the signing key cannot be opened")
    })?;
    let opened = Arc::new(opened);
    app.keys.signing.store(Some(Arc::new(ReadKeys { keys: Arc::clone(&opened), epoch, until })));
    Ok(opened)
}

fn verifies_until(retired_at: Timestamp) -> Timestamp {
    retired_at.plus_millis(token::MOST_LIFETIME_S * 1_000)
}

/// The signing keys; makes the first one if there is none.
///
/// # Errors
/// As [`signing_keys`], and when the key cannot be committed.
pub async fn ensure_signing_key(app: &App) -> Result<Arc<SigningKeys>, Problem> {
    let keys = reload(app).await?;
    if keys.signer().is_some() {
        return Ok(keys);
    }
    let key = new_signing_key(&app.keys.seal).map_err(|error| {
        tracing::error!(%error, "a signing key could not be made");
        Problem::new(Code::Internal, "a signing key could not be made")
    })?;
    let command = AddSigningKey { key_id: key.id, public_key: key.public, sealed_private_key: key.sealed };
    // Two nodes may do this at once: then there are two keys, and the newer one signs.
    let deadline = Instant::now() + SUBMIT_TIMEOUT;
    app.submit_as(Actor::System, app.fresh_request()?, command, deadline).await?.result?;
    reload(app).await
}
